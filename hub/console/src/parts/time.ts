// Times as people read them. The district keeps Beijing time on every screen, wherever the browser thinks it is.
import type { Locale } from '@/backend/types'

export const TIME_ZONE = 'Asia/Shanghai'
const OFFSET = '+08:00'
const OFFSET_MS = 8 * 3_600_000

const clock = new Intl.DateTimeFormat('en-GB', { timeZone: TIME_ZONE, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
const seconds = new Intl.DateTimeFormat('en-GB', { timeZone: TIME_ZONE, hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
const dates: Record<Locale, Intl.DateTimeFormat> = {
  zh: new Intl.DateTimeFormat('zh-CN', { timeZone: TIME_ZONE, month: 'numeric', day: 'numeric' }),
  en: new Intl.DateTimeFormat('en-GB', { timeZone: TIME_ZONE, day: 'numeric', month: 'short' }),
}

/** 14:05 */
export const hourMinute = (at: string | number): string => clock.format(new Date(at))
/** 14:05:09 */
export const hourMinuteSecond = (at: string | number): string => seconds.format(new Date(at))

/** 2026-11-23, in Beijing. */
export const dayOf = (at: string | number): string => new Date(new Date(at).getTime() + OFFSET_MS).toISOString().slice(0, 10)

/** The time alone today, with the day otherwise, with the year where it is another. */
export function moment(at: string | null | undefined, now: number, locale: Locale): string {
  if (!at || Number.isNaN(Date.parse(at))) return '—'
  const [day, today] = [dayOf(at), dayOf(now)]
  if (day === today) return hourMinute(at)
  if (day.slice(0, 4) === today.slice(0, 4)) return `${dates[locale].format(new Date(at))} ${hourMinute(at)}`
  return `${day} ${hourMinute(at)}`
}

/** A span in the two largest units: 45 秒, 3 分 20 秒, 2 小时 5 分, 3 天 4 小时. Negative spans count as none. */
export function span(ms: number, locale: Locale): string {
  const s = Math.max(0, Math.floor(ms / 1000))
  const units = locale === 'zh' ? [' 天', ' 小时', ' 分', ' 秒'] : [' d', ' h', ' min', ' s']
  const parts = [Math.floor(s / 86_400), Math.floor((s % 86_400) / 3600), Math.floor((s % 3600) / 60), s % 60]
  const first = Math.max(parts.findIndex((n) => n > 0), 0)
  if (s === 0) return `0${units[3]}`
  return parts.slice(first, first + 2).map((n, at) => (n || at === 0 ? `${n}${units[first + at]}` : '')).filter(Boolean).join(' ')
}

/** How long ago in one unit: 45 秒, 25 分, 1 小时, 3 天. */
export function coarse(ms: number, locale: Locale): string {
  const s = Math.max(0, Math.floor(ms / 1000))
  const unit = s < 60 ? 1 : s < 3600 ? 60 : s < 86_400 ? 3600 : 86_400
  return span(Math.floor(s / unit) * unit * 1000, locale)
}

/** A running counter: 0:42, 12:05, 1:02:09. */
export function counter(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000))
  const [h, m, rest] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60), s % 60]
  const two = (n: number) => String(n).padStart(2, '0')
  return h ? `${h}:${two(m)}:${two(rest)}` : `${m}:${two(rest)}`
}

/** For `<input type="datetime-local">`: Beijing's wall time to the minute. */
export const toInput = (at: string | number | null | undefined): string => {
  if (at === null || at === undefined || at === '') return ''
  const ms = new Date(at).getTime()
  return Number.isNaN(ms) ? '' : new Date(ms + OFFSET_MS).toISOString().slice(0, 16)
}

/** From that input back to a time with its offset; null for an empty or broken one. */
export const fromInput = (text: string): string | null => (/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.test(text) ? `${text.slice(0, 16)}:00${OFFSET}` : null)

/** A time typed ahead of now by more than this is meant for yesterday: at 00:05 somebody types 2350 (our own choice). */
const AHEAD_MS = 15 * 60_000

/**
 * What somebody typed as a time, as `YYYY-MM-DDTHH:mm` in Beijing: `1405`, `14:05`, `23 14:05`, `11-23 14:05`, `2026-11-23 14:05`, with full-width
 * digits and Chinese marks as well. A time alone is the last such time, or the next one where the future is meant. Null for what is no time.
 */
export function readMoment(typed: string, now: number, future = false): string | null {
  const text = typed.replace(/[０-９：／－]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) - 0xfee0)).replace(/[年月./]/g, '-').replace(/[日T]/g, ' ').trim()
  const found = /^(?:(?:(\d{4})-)?(?:(\d{1,2})-)?(\d{1,2})\s+)?(\d{1,2}):?(\d{2})(?::\d{2})?$/.exec(text)
  if (!found) return null
  const today = dayOf(now).split('-').map(Number) as [number, number, number]
  const [year, month, day] = [found[1], found[2], found[3]].map((part, n) => (part ? Number(part) : today[n]!)) as [number, number, number]
  const [hour, minute] = [Number(found[4]), Number(found[5])]
  let at = Date.UTC(year, month - 1, day, hour, minute)
  const back = new Date(at)
  if (hour > 23 || minute > 59 || back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day) return null
  if (!found[3] && !future && at - OFFSET_MS > now + AHEAD_MS) at -= 86_400_000
  if (!found[3] && future && at - OFFSET_MS < now) at += 86_400_000
  return new Date(at).toISOString().slice(0, 16)
}
