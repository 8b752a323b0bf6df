// Finding a substance by what is read or heard: number, orange plate, CAS, name, alias; and opening its guide. As plans/hazmat/lookup.py.
import type { Bilingual } from '@/backend/types'
import type { Book, Substance } from './bundle'

export const normal = (text: string): string => text.normalize('NFKC').toLowerCase().replace(/[\s'’`"·•_]+/g, '')

const PLATE = /^(?<hin>X?\s*\d{2,3})\s*[/\-—|]?\s*(?:UN|NA)?\s*(?<un>\d{4})$|^(?:UN|NA)?\s*(?<un_first>\d{4})\s*[/\-—|\s]\s*(?<hin_last>X?\s*\d{2,3})$/i
const UN = /^(?:(?:UN|NA|ID)\s*(?:编号|号码?|NUMBER|NO\.?)?|联合国(?:危险货物)?编号|危险货物编号|危规号)\s*[#:：.\-]?\s*(\d{4})$|^(\d{4})$/i
const HIN = /^(?:(?:HIN|KEMLER|危险性?识别号|危险标识号)\s*[:：]?)?\s*(X?\s*\d{2,3})$/i
const CAS = /^(?:CAS\s*(?:登记)?(?:号码?|NO\.?|RN)?)?\s*[:：]?\s*(\d{2,7}-\d{2}-\d)$/i

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

export interface Found { substance: Substance; score: number; hin: string | null }

const words = (text: string): string[] => text.normalize('NFKC').toLowerCase().match(/[a-z0-9]+/g) ?? []
// eslint-disable-next-line no-control-regex
const ascii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text)
/** Fewer Latin letters than this stand within long English names by chance (MDI in sodium dithionite), so that they have to begin a word. */
const SHORT = 5

/** Does each of the words begin a word of the name, in whatever order (ammonia anhydrous)? */
function beginWords(said: string[], written: string): boolean {
  const there = words(written)
  return said.every((part) => there.some((word) => word.startsWith(part)))
}

function score(query: string, said: string[], written: string, formula: boolean): number {
  const name = normal(written)
  if (name === query) return 800
  if (formula) return 0
  if (name.startsWith(query)) return 600 - Math.min(100, name.length - query.length)
  const found = ascii(query) ? (query.length >= SHORT && name.includes(query)) || (said.length > 0 && beginWords(said, written)) : name.includes(query)
  if (found) return 400 - Math.min(100, name.length - query.length)
  return !ascii(query) && name.length >= 2 && !ascii(name) && query.includes(name) ? 300 + Math.min(50, name.length) : 0
}

/** Substances, best first; none means unknown: guide 111. */
export function search(book: Book, text: string, limit = 10): Found[] {
  const said = text.normalize('NFKC').trim()
  const plate = plateOf(said)
  const un = plate?.un ?? UN.exec(said)?.slice(1).find(Boolean)
  if (un) {
    const found = book.substances.get(un)
    return found ? [{ substance: found, score: 1000, hin: plate?.hin ?? null }] : []
  }
  const cas = CAS.exec(said)?.[1]
  const hin = HIN.exec(said)?.[1]?.replace(/\s+/g, '').toUpperCase()
  const [query, spoken] = [normal(said), words(said)]
  if (!query) return []
  const found: Found[] = []
  for (const substance of book.substances.values()) {
    if (cas || hin) {
      if (cas ? substance.cas === cas : hinsOf(substance).has(hin!)) found.push({ substance, score: 900, hin: hin ?? null })
      continue
    }
    const names = [substance.name_zh, ...substance.aliases_zh, ...substance.names_en].filter((name): name is string => Boolean(name))
    const best = Math.max(0, ...names.map((name) => score(query, spoken, name, false)), substance.formula ? score(query, spoken, substance.formula, true) : 0)
    if (best) found.push({ substance, score: best, hin: null })
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
