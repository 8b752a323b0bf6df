// Wind as people type it (东南风3级, SE, 135°), and how far it can be trusted; as plans/hazmat/wind.py, checked against the same cases.
import type { Book } from './bundle'

export interface Wind { from_deg: number | null; uncertainty_deg: number; min_ms: number | null; max_ms: number | null; observed_at: number | null; variable: boolean }

const NUMBER = '(?:\\d+(?:\\.\\d+)?|[零〇一二两三四五六七八九十]+)'
const FORCE = new RegExp(`(${NUMBER})\\s*(?:[-~－—–至到]\\s*(${NUMBER})\\s*)?级`)
const GUST = new RegExp(`阵风\\D{0,3}?(?:${NUMBER})\\s*(?:[-~－—–至到]\\s*(?:${NUMBER})\\s*)?级|阵风\\D{0,3}?\\d+(?:\\.\\d+)?\\s*(?:m/s|米)`)
const SPEED = /(\d+(?:\.\d+)?)\s*(m\/s|米每秒|米\/秒|米|km\/h|公里\/小时|公里每小时|千米\/小时)/i
const DEGREES = /(-?\d+(?:\.\d+)?)\s*(?:°|度|deg(?:rees?)?\b)/i
const BARE = /^-?\d+(?:\.\d+)?$/
const TOWARDS = /(?:[吹刮飘漂](?:向|往)|(?:往|向|朝)(?=[东南西北偏]+(?:方向?)?(?:吹|刮|飘|漂|扩散))|\bblow(?:s|ing)?\s+(?:to|towards?)\b|\btowards?\b)/i
const VARIABLE = /风向不定|风向多变|旋转风|旋转不定|variable|\bVRB\b/i
const CALM = /静风|无风|没有风|没风|\bcalm\b|no wind/i
const DIGITS: Record<string, number> = { ...Object.fromEntries([...'零一二三四五六七八九'].map((c, i) => [c, i])), 〇: 0, 两: 2 }

/** A wind that nobody can read, or that cannot be; `code` is the hub's. */
export class NoWind extends Error {
  constructor(readonly code: 'bad_wind_direction' | 'bad_wind_speed' | 'unknown_wind') {
    super(code)
  }
}

function number(text: string): number {
  if (/\d/.test(text[0]!)) return Number(text)
  if (!text.includes('十')) return Number([...text].map((c) => DIGITS[c]).join(''))
  const [tens, ones] = text.split('十')
  return (tens ? DIGITS[tens]! : 1) * 10 + (ones ? DIGITS[ones]! : 0)
}

function force(book: Book, low: number, high: number): [number, number] {
  const find = (n: number) => book.beaufort.find((row) => Number(row.force) === Math.trunc(n))
  const [from, to] = [find(low), find(high)]
  if (!from || !to) throw new NoWind('bad_wind_speed')
  return [Number(from.min_ms), Number(to.max_ms)]
}

function takeSpeed(book: Book, text: string): [number | null, number | null, string] {
  const forced = FORCE.exec(text)
  if (forced) {
    const [low, high] = [number(forced[1]!), number(forced[2] ?? forced[1]!)].sort((a, b) => a - b)
    return [...force(book, low!, high!), text.replace(forced[0], '')]
  }
  const said = SPEED.exec(text)
  if (said) {
    const value = Number(said[1]) / (['km/h', '公里/小时', '公里每小时', '千米/小时'].includes(said[2]!.toLowerCase()) ? 3.6 : 1)
    if (value > book.rules.wind.max_speed_ms) throw new NoWind('bad_wind_speed')
    return [value, value, text.replace(said[0], '')]
  }
  const named = book.beaufort.find((row) => row.force !== '0' && row.name_zh!.split(' ').some((name) => name && text.includes(name)))
  return named ? [Number(named.min_ms), Number(named.max_ms), text] : [null, null, text]
}

function takeDirection(book: Book, text: string): [number | null, number] {
  const rest = text.replace(/^[ ,，。;；]+|[ ,，。;；]+$/g, '')
  const degrees = DEGREES.exec(rest)
  if (degrees || BARE.test(rest)) {
    const value = Number(degrees ? degrees[1] : rest)
    if (!(value >= 0 && value <= 360)) throw new NoWind('bad_wind_direction')
    return [value % 360, book.rules.wind.measured_uncertainty_deg]
  }
  const towards = TOWARDS.exec(rest)
  const subject = (towards ? rest.slice(towards.index + towards[0].length) : rest).replace(/\b(north|south)[\s-]+(east|west)/gi, '$1$2')
  for (const row of book.winds) {
    const name = row.name!
    // eslint-disable-next-line no-control-regex
    const pattern = /^[\x00-\x7f]+$/.test(name) ? `(?<![A-Za-z])${name}(?:ERN|ERLY)?(?![A-Za-z])` : name
    if (new RegExp(pattern, 'i').test(subject)) return [towards ? (Number(row.from_deg) + 180) % 360 : Number(row.from_deg), Number(row.uncertainty_deg)]
  }
  return [null, 0]
}

/** Read a typed wind. Throws NoWind. */
export function parseWind(book: Book, text: string, observed_at: number | null): Wind {
  const said = text.normalize('NFKC').trim().replace(GUST, '')
  let [min_ms, max_ms, rest] = takeSpeed(book, said)
  const [variable, calm] = [VARIABLE.test(rest), CALM.test(rest)]
  if (calm && max_ms === null) [min_ms, max_ms] = force(book, 0, 0)
  const [from_deg, uncertainty_deg] = variable || calm ? [null, 0] : takeDirection(book, rest)
  if (from_deg === null && min_ms === null && !variable) throw new NoWind('unknown_wind')
  return { from_deg, uncertainty_deg, min_ms, max_ms, observed_at, variable }
}

/** The column of Table 3; an unknown wind takes the weakest, where the distances are longest. */
export function windClass(book: Book, wind: Wind | null): 'low' | 'moderate' | 'high' {
  if (!wind || wind.min_ms === null) return 'low'
  const kmh = wind.min_ms * 3.6
  if (kmh < book.rules.table3_wind.low_below_kmh) return 'low'
  return kmh > book.rules.table3_wind.high_above_kmh ? 'high' : 'moderate'
}

/** What a wind is good for at a moment: `from_deg` null where a circle has to be drawn. */
export function useWind(book: Book, wind: Wind | null, at: number): { from_deg: number | null; extra_deg: number; stale: boolean } {
  const rule = book.rules.wind
  const circle = { from_deg: null, extra_deg: 180, stale: false }
  if (!wind || wind.from_deg === null || (wind.max_ms !== null && wind.max_ms < rule.calm_below_ms)) return circle
  const age = wind.observed_at === null ? null : (at - wind.observed_at) / 1000
  if (age !== null && Math.abs(age) > rule.expired_after_s) return { ...circle, stale: true }
  const stale = age !== null && (age > rule.stale_after_s || age < -rule.max_clock_ahead_s)
  return { from_deg: wind.from_deg, extra_deg: wind.uncertainty_deg + (stale ? rule.stale_extra_deg : 0), stale }
}
