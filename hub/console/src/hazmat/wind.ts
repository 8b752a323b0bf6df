// Wind as people type it (东南风3级, SE, 135°), and how far it can be trusted; as plans/hazmat/wind.py, checked against the same cases.
import type { Bilingual } from '@/backend/types'
import { plain, said, type Book } from './bundle'

export interface Wind { from_deg: number | null; uncertainty_deg: number; min_ms: number | null; max_ms: number | null; observed_at: number | null; variable: boolean; force_name?: string | null }

const NUMBER = '(?:\\d+(?:\\.\\d+)?|[零〇一二两三四五六七八九十]+)'
const FORCE = new RegExp(`(${NUMBER})\\s*(?:[-~－—–至到、]\\s*(${NUMBER})\\s*)?级`)
const FORCE_EN = /\b(?:force|beaufort|bft|f)\s*(\d+)(?:\s*(?:-|to)\s*(\d+))?(?![\d.])|(?<![\d.])(\d+)(?:\s*(?:-|to)\s*(\d+))?\s*(?:bft|beaufort)\b/i
// degrees that are none of the wind: 气温12度, 12℃, 北纬34.8度
const NOT_WIND = /(?:气温|温度|体感|[东西]经|[南北]纬)\s*[:：为约]?\s*-?\d+(?:\.\d+)?\s*(?:°C?|度|摄氏度)?|-?\d+(?:\.\d+)?\s*(?:°C\b|摄氏度)/gi
const GUST = new RegExp(`阵风\\D{0,3}?(?:${NUMBER})\\s*(?:[-~－—–至到]\\s*(?:${NUMBER})\\s*)?级|阵风\\D{0,3}?\\d+(?:\\.\\d+)?\\s*(?:m/s|米)`)
const BELOW = /级?以[下内]|不[到足超]|[小低少]于|[≤<]/
const SPEED = /(-?\d+(?:\.\d+)?)\s*(?:[-~－—–至到]\s*(\d+(?:\.\d+)?)\s*)?(m\/s|米每秒|米\/秒|米|km\/h|公里\/小时|公里每小时|千米\/小时|kts?\b|knots?\b|节|mph\b)/i
const PER_MS: [string, number][] = [['kt', 3600 / 1852], ['kn', 3600 / 1852], ['节', 3600 / 1852], ['mp', 1 / 0.44704], ['k', 3.6], ['公', 3.6], ['千', 3.6]]
const DEGREES = /(?<![A-Za-z\d.])(-?\d+(?:\.\d+)?)\s*(?:°|度|deg(?:rees?)?\b)/i
const BARE = /(?:^|风向(?:角)?[\s:：为是=]*|\b(?:wind|from)\s+)(-?\d+(?:\.\d+)?)(?=$|[\s,，;；@/])/i
const QUADRANT = /([东南西北])偏([东南西北])\s*(\d+(?:\.\d+)?)\s*(?:°|度)?|(?<![A-Za-z])([NS])\s*(\d+(?:\.\d+)?)\s*°?\s*([EW])(?![A-Za-z])/i
const QUARTERS: Record<string, number> = { 北: 0, N: 0, 东: 90, E: 90, 南: 180, S: 180, 西: 270, W: 270 }
const TOWARDS = /(?:[吹刮飘漂](?:向|往|到)|[飘漂](?=[东南西北偏])|(?<![风方])(?:往|向|朝)(?=[东南西北偏\d])|(?:往|向|朝)(?=[东南西北偏\d.°度]+(?:方向?)?(?:吹|刮|飘|漂|扩散))|[下顺]风(?:方向|[向方侧])?[\s:：为是在]*(?=[东南西北偏])|\bblow(?:s|ing)?\s+(?:to|towards?)\b|\bdrift(?:s|ing)?\b|\btowards?\b)/i
// 西北方向扩散: what the named side is said to get
const DRIFTS = /^(?:方向?|向|侧|边|面)?(?:正在|已)?(?:扩散|飘|漂|移动|蔓延)/
// 吹西北, 西北方向有烟: a north-west wind or one towards the north-west? In one of two the wedge would lie the wrong way round
const EITHER_WAY = /[吹刮](?=[东南西北偏])|[烟雾味]/
const SPLIT_POINT = /\b(north|south)[\s-]+(east|west)/gi
const GAP = /(?<=[东南西北偏])\s+(?=[东南西北偏风])/g
const TURNS = '(?:方向?|风)?\\s*(?:转为?|到|至|或|间|、|/|[-~－—–]|\\bor\\b)\\s*'
const VARIABLE = /风向不[定明详]|风向未[知明]|风向多变|无持续风向|旋转风|旋转不定|variable|\bVRB\b/i
const CALM = /静风|静稳|无风|无明显风|没有风|没风|\bcalm\b|no wind/i
const DIGITS: Record<string, number> = { ...Object.fromEntries([...'零一二三四五六七八九'].map((c, i) => [c, i])), 〇: 0, 两: 2 }

/** A wind that nobody can read, or that cannot be; `code` is the hub's. */
export class NoWind extends Error {
  constructor(readonly code: 'bad_wind_direction' | 'bad_wind_speed' | 'unknown_wind' | 'ambiguous_wind') {
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

function takeSpeed(book: Book, text: string): [number | null, number | null, string, string?] {
  const forced = FORCE.exec(text)
  if (forced) {
    const [low, high] = [number(forced[1]!), number(forced[2] ?? forced[1]!)].sort((a, b) => a - b)
    return [...force(book, low!, high!), text.replace(forced[0], '')]
  }
  const english = FORCE_EN.exec(text)
  if (english) {
    const [one, other] = english[1] ? [english[1], english[2]] : [english[3]!, english[4]]
    const [low, high] = [Number(one), Number(other ?? one)].sort((a, b) => a - b)
    return [...force(book, low!, high!), text.replace(english[0], '')]
  }
  const said = SPEED.exec(text)
  if (said) {
    const per = PER_MS.find(([head]) => said[3]!.toLowerCase().startsWith(head))?.[1] ?? 1
    const [low, high] = [said[1]!, said[2] ?? said[1]!].map((value) => Number(value) / per).sort((a, b) => a - b)
    if (low! < 0 || high! > book.rules.wind.max_speed_ms) throw new NoWind('bad_wind_speed')
    return [low!, high!, text.replace(said[0], '')]
  }
  for (const row of book.beaufort) {
    const name = row.force === '0' ? undefined : row.name_zh!.split(' ').find((one) => one && text.includes(one))
    if (name) return [Number(row.min_ms), Number(row.max_ms), text, name]
  }
  return [null, null, text]
}

const patterns = new WeakMap<Book, { rows: Map<string, [number, number]>; some: string; one: RegExp }>()

function names(book: Book) {
  const known = patterns.get(book)
  if (known) return known
  const rows = new Map(book.winds.map((row) => [row.name!, [Number(row.from_deg), Number(row.uncertainty_deg)] as [number, number]]))
  const sorted = [...rows.keys()].sort((a, b) => b.length - a.length)
  const ascii = (name: string) => /^[A-Z]+$/.test(name)
  const written = `(?:${sorted.map((name) => (ascii(name) ? `(?<![A-Za-z\\d])${name}(?:ERN|ERLY)?(?![A-Za-z])` : `(?<![东南西北偏])${name}(?![东南西北])`)).join('|')})`
  const made = { rows, some: `(${written}(?:${TURNS}${written})*)(风)?`, one: new RegExp(sorted.map((name) => (ascii(name) ? `${name}(?![A-Z])` : name)).join('|'), 'g') }
  patterns.set(book, made)
  return made
}

/** One name, or the arc over several (南到东南风); a wind that turns by more than 135 degrees has no direction. */
function turned(book: Book, words: string): [number | null, number] {
  const { rows, one } = names(book)
  let [centre, half] = [null as number | null, 0]
  for (const name of words.toUpperCase().replace(/(?<=[A-Z])(?:ERN|ERLY)\b/g, '').match(one) ?? []) {
    const [degrees, uncertainty] = rows.get(name)!
    if (centre === null) {
      [centre, half] = [degrees, uncertainty]
      continue
    }
    const turn = ((degrees - centre + 540) % 360) - 180
    if (Math.abs(turn) > 135) return [null, 0]
    const [low, high] = [Math.min(-half, turn - uncertainty), Math.max(half, turn + uncertainty)];
    [centre, half] = [(centre + (low + high) / 2 + 360) % 360, (high - low) / 2]
  }
  return [centre, half]
}

function quadrant(found: RegExpExecArray): number {
  const start = QUARTERS[(found[1] ?? found[4]!).toUpperCase()]!
  const side = QUARTERS[(found[2] ?? found[6]!).toUpperCase()]!
  const [turn, angle] = [((side - start + 540) % 360) - 180, Number(found[3] ?? found[5])]
  if (Math.abs(turn) !== 90 || angle > 90) throw new NoWind('bad_wind_direction')
  return (start + (angle * turn) / 90 + 360) % 360
}

function takeDirection(book: Book, text: string): [number | null, number] {
  const rest = text.replace(/^[ ,，。;；]+|[ ,，。;；]+$/g, '').replace(GAP, '').replace(SPLIT_POINT, '$1$2')
  const towards = TOWARDS.exec(rest)
  const back = (degrees: number): number => (towards ? (degrees + 180) % 360 : degrees)
  const corner = QUADRANT.exec(rest)
  if (corner) return [back(quadrant(corner)), book.rules.wind.measured_uncertainty_deg]
  const degrees = DEGREES.exec(rest) ?? BARE.exec(rest)
  if (degrees) {
    const value = Number(degrees[1])
    if (!(value >= 0 && value <= 360)) throw new NoWind('bad_wind_direction')
    return [back(value % 360), book.rules.wind.measured_uncertainty_deg]
  }
  const all = [...rest.matchAll(new RegExp(names(book).some, 'gi'))]
  // "X风" always says where it comes from, wherever else the text points to
  const blowing = all.find((one) => one[2])
  if (blowing) return turned(book, blowing[1]!)
  const drifting = all.find((one) => DRIFTS.test(rest.slice(one.index + one[0].length)))
  if (!towards && !drifting && all.length && EITHER_WAY.test(rest)) throw new NoWind('ambiguous_wind')
  const subject = drifting ?? all.find((one) => one.index >= (towards ? towards.index + towards[0].length : 0))
  const [from, half] = subject ? turned(book, subject[1]!) : [null, 0]
  return from === null ? [null, 0] : [drifting ? (from + 180) % 360 : back(from), half]
}

/** Read a typed wind. Throws NoWind. */
export function parseWind(book: Book, text: string, observed_at: number | null): Wind {
  const written = plain(book, text).trim().replace(NOT_WIND, ' ').replace(GUST, '')
  let [min_ms, max_ms, rest, force_name] = takeSpeed(book, written)
  if (min_ms !== null && BELOW.test(written)) min_ms = 0
  const calm = CALM.test(rest)
  let variable = VARIABLE.test(rest)
  if (calm && max_ms === null) [min_ms, max_ms] = force(book, 0, 0)
  const [from_deg, uncertainty_deg] = variable || calm ? [null, 0] : takeDirection(book, rest)
  variable ||= from_deg === null && !calm && new RegExp(names(book).some, 'i').test(rest)
  if (from_deg === null && min_ms === null && !variable) throw new NoWind('unknown_wind')
  return { from_deg, uncertainty_deg, min_ms, max_ms, observed_at, variable, force_name: force_name ?? null }
}

/** The column of Table 3; an unknown wind takes the weakest, where the distances are longest. */
export function windClass(book: Book, wind: Wind | null): 'low' | 'moderate' | 'high' {
  if (!wind || wind.min_ms === null) return 'low'
  const kmh = wind.min_ms * 3.6
  if (kmh < book.rules.table3_wind.low_below_kmh) return 'low'
  return kmh > book.rules.table3_wind.high_above_kmh ? 'high' : 'moderate'
}

/** What a wind is good for at a moment: `from_deg` null where a circle has to be drawn, and the notes say why. */
export function useWind(book: Book, wind: Wind | null, at: number): { from_deg: number | null; extra_deg: number; stale: boolean; notes: Bilingual[] } {
  const rule = book.rules.wind
  const circle = (stale: boolean, ...notes: Bilingual[]) => ({ from_deg: null, extra_deg: 180, stale, notes })
  if (!wind) return circle(false, said(book, 'no_wind'))
  const notes = wind.force_name ? [said(book, 'force_name', { name: wind.force_name, low: wind.min_ms!, high: wind.max_ms! })] : []
  if (wind.from_deg === null) return circle(false, said(book, 'wind_turns'), ...notes)
  if (wind.max_ms !== null && wind.max_ms < rule.calm_below_ms) return circle(false, said(book, 'calm'), ...notes)
  const age = wind.observed_at === null ? null : (at - wind.observed_at) / 1000
  if (age === null) notes.push(said(book, 'wind_time_unknown'))
  else if (Math.abs(age) > rule.expired_after_s) return circle(true, said(book, 'wind_expired', aged(age)))
  const stale = age !== null && (age > rule.stale_after_s || age < -rule.max_clock_ahead_s)
  if (stale) notes.push(said(book, 'wind_stale', aged(age!)))
  return { from_deg: wind.from_deg, extra_deg: wind.uncertainty_deg + (stale ? rule.stale_extra_deg : 0), stale, notes }
}

/** Half to even, as the hub rounds. */
export function roundEven(value: number): number {
  const down = Math.floor(value)
  return value - down === 0.5 ? (down % 2 === 0 ? down : down + 1) : Math.round(value)
}

function aged(age_s: number): { age_zh: string; age_en: string } {
  const minutes = roundEven(Math.abs(age_s / 60))
  return age_s >= 0 ? { age_zh: `${minutes}分钟前的`, age_en: `${minutes} minutes old` } : { age_zh: `${minutes}分钟后的（时钟不符）`, age_en: `${minutes} minutes in the future (clocks differ)` }
}

const COMPASS_ZH = ['北', '北东北', '东北', '东东北', '东', '东东南', '东南', '南东南', '南', '南西南', '西南', '西西南', '西', '西西北', '西北', '北西北']
const COMPASS_EN = ['N', 'NNE', 'NE', 'ENE', 'E', 'ESE', 'SE', 'SSE', 'S', 'SSW', 'SW', 'WSW', 'W', 'WNW', 'NW', 'NNW']

/** The sixteen-point name of a bearing. */
export function compass(bearing_deg: number): Bilingual {
  const n = roundEven(bearing_deg / 22.5) % 16
  return { zh: COMPASS_ZH[n]!, en: COMPASS_EN[n]! }
}
