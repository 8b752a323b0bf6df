// Finding a substance by what is read or heard: number, orange plate, CAS, name, alias; and opening its guide. As plans/hazmat/lookup.py.
import type { Bilingual } from '@/backend/types'
import { plain, type Book, type Substance } from './bundle'

export const normal = (book: Book, text: string): string => plain(book, text).toLowerCase().replace(/[\s'’`"·•_]+/g, '')

const PLATE = /^(?<hin>X?\s*\d{2,3})\s*[/\-—|]?\s*(?:UN|NA)?\s*(?<un>\d{4})$|^(?:UN|NA)?\s*(?<un_first>\d{4})\s*[/\-—|\s]\s*(?<hin_last>X?\s*\d{2,3})$/i
const UN = /^(?:(?:UN|NA|ID)\s*(?:编号|号码?|NUMBER|NO\.?)?|联合国(?:危险货物)?编号|危险货物编号|危规号)\s*[#:：.\-]?\s*(\d{4})$|^(\d{4})$/i
const HIN = /^(?:(?:HIN|KEMLER|危险性?识别号|危险标识号)\s*[:：]?)?\s*(X?\s*\d{2,3})$/i
const CAS = /^(?:CAS\s*(?:登记)?(?:号码?|NO\.?|RN)?)?\s*[:：]?\s*(\d{2,7}-\d{2}-\d)$/i
// 2.3, 第3类, 第八类, class 8: what a diamond says, and no name
const CLASS = /^(?:第|CLASS|DIVISION)?\s*(?<digit>[1-9](?:\.[1-6][A-S]?)?)\s*[类项级]?$|^第?(?<word>[一二三四五六七八九])类$/i
// numbers within a sentence: 橙色牌 268/1005, UN 1005 Ammonia
const PLATE_SAID = /(?<![\dA-Z])(X?\d{2,3})\s*[/|]\s*(\d{4})(?!\d)/gi
const UN_SAID = /(?<![A-Z])(?:UN|NA|联合国编号|危险货物编号|危规号)\s*(?:编号|号码?|NUMBER|NO\.?)?\s*[#:：.\-]?\s*(\d{4})(?!\d)/gi
const HIN_BARE = /(?<![\dA-Z.])(X?\d{2,3})(?![\d.])/gi
const UN_BARE = /(?<![\d.])(\d{4})(?![\d.年])/g

/** The two halves of an orange plate, whichever was said first; null where it is none. */
function plateOf(said: string): { hin: string; un: string } | null {
  const found = PLATE.exec(said)?.groups
  return found ? { hin: (found.hin ?? found.hin_last!).replace(/\s+/g, '').toUpperCase(), un: (found.un ?? found.un_first)! } : null
}

/** What the upper half of an orange plate says, alone or before its UN number; null where nothing such was typed. */
export function hinOf(book: Book, text: string): { hin: string; zh: string; en: string; no_water: boolean } | null {
  const said = text.normalize('NFKC').trim().toUpperCase()
  const hin = plateOf(said)?.hin ?? HIN.exec(said)?.[1]?.replace(/\s+/g, '')
  const row = hin ? book.hin.get(hin) : undefined
  return row ? { hin: row.hin!, zh: row.zh!, en: row.en!, no_water: row.hin!.startsWith('X') } : null
}

/** The hazard numbers that ADR 2017 gives a substance. */
export const hinsOf = (substance: Substance): Set<string> => new Set(substance.classes.map((one) => one[4]!).filter(Boolean))

function unlike(substance: Substance, hin: string): boolean {
  const codes = hinsOf(substance)
  return codes.size > 0 && !codes.has(hin)
}

/** `like`: no name of the tables, but one that differs by a slip of the pen; never to be taken for it unasked. */
export interface Found { substance: Substance; score: number; hin: string | null; like?: boolean }

const words = (text: string): string[] => text.normalize('NFKC').toLowerCase().match(/[a-z0-9]+/g) ?? []
// eslint-disable-next-line no-control-regex
const ascii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text)
/** Fewer Latin letters than this stand within long English names by chance (MDI in sodium dithionite), so that they have to begin a word. */
const SHORT = 5

/** Does each of the words begin a word of the name, in whatever order (ammonia anhydrous)? */
function beginWords(said: string[], there: string[]): boolean {
  return said.every((part) => there.some((word) => word.startsWith(part)))
}

function score(query: string, said: string[], name: string, parts: string[], formula: boolean): number {
  if (name === query) return 800
  if (formula) return 0
  if (name.startsWith(query)) return 600 - Math.min(100, name.length - query.length)
  const found = ascii(query) ? (query.length >= SHORT && name.includes(query)) || (said.length > 0 && beginWords(said, parts)) : name.includes(query)
  if (found) return 400 - Math.min(100, name.length - query.length)
  return !ascii(query) && name.length >= 2 && !ascii(name) && query.includes(name) ? 300 + Math.min(50, name.length) : 0
}

type Refusal = 'unknown_un' | 'unknown_hin' | 'bad_cas' | 'is_class'

/** Whether the check digit of a CAS number is right. */
function isCas(text: string): boolean {
  const digits = [...text.replaceAll('-', '')].map(Number)
  return digits.slice(0, -1).reverse().reduce((sum, one, n) => sum + one * (n + 1), 0) % 10 === digits.at(-1)
}

/** The class that was typed in place of a name (2.3, 第3类), which is looked up by its diamond; null where it is none. */
export function classOf(book: Book, text: string): string | null {
  const found = CLASS.exec(plain(book, text).trim())?.groups
  return found ? (found.digit?.replace(/^(1\.[1-6])[A-S]$/i, '$1') ?? String('一二三四五六七八九'.indexOf(found.word!) + 1)) : null
}

/** Why what was typed cannot be looked up, as the hub refuses it; null where it can. */
export function refusal(book: Book, text: string): Refusal | null {
  const query = text.normalize('NFKC').trim()
  const plate = plateOf(query)
  if (plate) return !book.substances.has(plate.un) ? 'unknown_un' : book.hin.has(plate.hin) || hinInUse(book, plate.hin) ? null : 'unknown_hin'
  const un = UN.exec(query)?.slice(1).find(Boolean)
  if (un) return book.substances.has(un) ? null : 'unknown_un'
  if (/^(?:UN|NA)\s*[#:：.\-]?\s*\d+$/i.test(query)) return 'unknown_un'
  const cas = CAS.exec(query)?.[1]
  if (cas) return isCas(cas) ? null : 'bad_cas'
  const hin = HIN.exec(query)?.[1]?.replace(/\s+/g, '').toUpperCase()
  if (hin) return book.hin.has(hin) || hinInUse(book, hin) ? null : 'unknown_hin'
  return classOf(book, query) ? 'is_class' : /^\d+$/.test(query) ? 'unknown_un' : null
}

const hinInUse = (book: Book, hin: string): boolean => [...book.substances.values()].some((one) => hinsOf(one).has(hin))

interface Name { name: string; written: string; formula: boolean; substance: Substance; parts: string[] }
const indexes = new WeakMap<Book, Name[]>()

/** Every searchable name in the form in which it is compared, reckoned once. */
function index(book: Book): Name[] {
  let found = indexes.get(book)
  if (!found) {
    found = [...book.substances.values()].flatMap((substance) => {
      const names = [substance.name_zh, ...substance.aliases_zh, ...substance.names_en].filter((name): name is string => Boolean(name))
      return [...names.map((written) => ({ written, formula: false })), ...(substance.formula ? [{ written: substance.formula, formula: true }] : [])]
        .map(({ written, formula }) => ({ name: normal(book, written), written, formula, substance, parts: words(written) }))
    })
    indexes.set(book, found)
  }
  return found
}

/** What plates and numbers within a sentence name. A bare number of four digits counts beside a hazard number that the substance carries. */
function numbersIn(book: Book, query: string): Found[] {
  const said = new Map<string, string | null>([...query.matchAll(PLATE_SAID)].map((one) => [one[2]!, one[1]!.toUpperCase()]))
  for (const [, un] of query.matchAll(UN_SAID)) said.set(un!, null)
  const codes = [...query.matchAll(HIN_BARE)].map((one) => one[1]!.toUpperCase())
  for (const [, un] of query.matchAll(UN_BARE)) {
    const hin = book.substances.has(un!) ? codes.find((one) => hinsOf(book.substances.get(un!)!).has(one)) : undefined
    if (hin && !said.has(un!)) said.set(un!, hin)
  }
  return [...said].flatMap(([un, hin]) => {
    const substance = book.substances.get(un)
    // a plate whose halves do not go together stands below a name that is said whole
    return substance ? [{ substance, score: hin && unlike(substance, hin) ? 750 : 850, hin }] : []
  })
}

function byName(book: Book, query: string): Found[] {
  const [wanted, spoken] = [normal(book, query), words(query)]
  const best = new Map<Substance, number>()
  for (const one of wanted ? index(book) : []) {
    const points = score(wanted, spoken, one.name, one.parts, one.formula)
    if (points > (best.get(one.substance) ?? 0)) best.set(one.substance, points)
  }
  return [...best].map(([substance, points]) => ({ substance, score: points, hin: null }))
}

/** Shorter names differ from others by one letter anyhow (乙二醇, 乙二胺); from the third length on two slips are taken. */
const [SLIP_LATIN, SLIP_CHINESE, SLIPS_FROM] = [5, 4, 8]

/** Names that differ by a slip or two of the pen: amonia. Said to be like, never to be it. */
function alike(book: Book, query: string): Found[] {
  const wanted = normal(book, query)
  if (wanted.length < (ascii(wanted) ? SLIP_LATIN : SLIP_CHINESE) || /^\d+$/.test(wanted)) return []
  const most = ascii(wanted) && wanted.length >= SLIPS_FROM ? 2 : 1
  const best = new Map<Substance, number>()
  for (const one of index(book)) {
    if (one.formula || ascii(one.name) !== ascii(wanted)) continue
    const near = Math.min(most + 1, ...[one.name, ...one.parts].filter((name) => name.length >= SLIP_CHINESE).map((name) => slips(wanted, name, most)))
    const points = 200 - 10 * near - (one.name.length === wanted.length ? 0 : 1)
    if (near <= most && points > (best.get(one.substance) ?? 0)) best.set(one.substance, points)
  }
  return [...best].map(([substance, points]) => ({ substance, score: points, hin: null, like: true }))
}

/** How many letters are changed, left out, put in or exchanged with the next; more than `most` ends early. */
function slips(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, n) => n)
  for (let i = 1; i <= a.length; i += 1) {
    const above = row
    row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      row[j] = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + Number(a[i - 1] !== b[j - 1]))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j]!, before[j - 2]! + 1)
    }
    if (Math.min(...row) > most) return most + 1
    before = above
  }
  return row[b.length]!
}

/** Substances, best first; none means unknown: guide 111. `refusal` says why a number cannot be looked up. `slips_too` may wait until nobody types: it is slow on a phone. */
export function search(book: Book, text: string, limit = 10, slips_too = true): Found[] {
  const query = text.normalize('NFKC').trim()
  const plate = plateOf(query)
  const un = plate?.un ?? UN.exec(query)?.slice(1).find(Boolean)
  if (un) {
    const found = book.substances.get(un)
    return found ? [{ substance: found, score: 1000, hin: plate?.hin ?? null }] : []
  }
  if (refusal(book, query)) return []
  const cas = CAS.exec(query)?.[1]
  const hin = HIN.exec(query)?.[1]?.replace(/\s+/g, '').toUpperCase()
  let found: Found[]
  if (cas || hin) found = [...book.substances.values()].filter((one) => (cas ? one.cas === cas : hinsOf(one).has(hin!))).map((substance) => ({ substance, score: 900, hin: hin ?? null }))
  else {
    const numbered = numbersIn(book, query)
    found = [...numbered, ...byName(book, query).filter((one) => !numbered.some((other) => other.substance === one.substance))]
    if (!found.length && slips_too) found = alike(book, query)
  }
  return found.sort((a, b) => b.score - a.score || Number(!a.substance.name_zh) - Number(!b.substance.name_zh) || a.substance.un.localeCompare(b.substance.un)).slice(0, limit)
}

export const SECTIONS = ['health_hazard', 'fire_hazard', 'safety', 'protective_clothing', 'distances', 'fire', 'spill', 'first_aid'] as const

/** The guide in our words, by section. */
export function guideOf(book: Book, number: string): { guide: string; title: Bilingual; sections: { name: string; lines: Bilingual[] }[] } {
  const head = book.guides.get(number) ?? book.guides.get(book.rules.unknown_material.guide)!
  const actions = book.actions.get(head.guide!) ?? []
  return {
    guide: head.guide!, title: { zh: head.title_zh!, en: head.title_en! },
    sections: SECTIONS.map((name) => ({ name, lines: actions.filter((row) => row.section === name).map((row) => ({ zh: book.phrases.get(row.phrase!)!.zh!, en: book.phrases.get(row.phrase!)!.en! })) })).filter((one) => one.lines.length),
  }
}
