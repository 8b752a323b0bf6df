// Finding a substance by what is read or heard: number, orange plate, CAS, name, alias; and opening its guide. As plans/hazmat/lookup.py.
import type { Bilingual } from '@/backend/types'
import type { Book, Substance } from './bundle'

export const normal = (text: string): string => text.normalize('NFKC').toLowerCase().replace(/[\s'’`"·•_]+/g, '')

const PLATE = /^(X?\d{2,4})\s*[/\-—\s|]\s*(?:UN|NA)?\s*(\d{4})$/i
const UN = /^(?:UN|NA|ID|联合国编号|危规号)\s*(?:NO\.?|[#:：])?\s*(\d{4})$|^(\d{4})$/i
const CAS = /^(?:CAS)?\s*(?:NO\.?)?\s*[:：]?\s*(\d{2,7}-\d{2}-\d)$/i

/** What the upper half of an orange plate says, alone or before its UN number; null where nothing such was typed. */
export function hinOf(book: Book, text: string): { hin: string; zh: string; en: string; no_water: boolean } | null {
  const said = text.normalize('NFKC').trim().toUpperCase()
  const hin = PLATE.exec(said)?.[1] ?? /^X?\d{2,3}$/.exec(said)?.[0]
  const row = hin ? book.hin.get(hin) : undefined
  return row ? { hin: row.hin!, zh: row.zh!, en: row.en!, no_water: row.hin!.startsWith('X') } : null
}

export interface Found { substance: Substance; score: number; hin: string | null }

function score(query: string, name: string, formula: boolean): number {
  if (name === query) return 800
  if (formula) return 0
  if (name.startsWith(query)) return 600 - Math.min(100, name.length - query.length)
  if (name.includes(query)) return 400 - Math.min(100, name.length - query.length)
  // eslint-disable-next-line no-control-regex
  return name.length >= 2 && !/^[\x00-\x7f]*$/.test(name) && query.includes(name) ? 300 + Math.min(50, name.length) : 0
}

/** Substances, best first; none means unknown: guide 111. */
export function search(book: Book, text: string, limit = 10): Found[] {
  const said = text.normalize('NFKC').trim()
  const plate = PLATE.exec(said)
  const un = plate?.[2] ?? UN.exec(said)?.slice(1).find(Boolean)
  if (un) {
    const found = book.substances.get(un)
    return found ? [{ substance: found, score: 1000, hin: plate?.[1]?.toUpperCase() ?? null }] : []
  }
  const cas = CAS.exec(said)?.[1]
  const query = normal(said)
  if (!query) return []
  const found: Found[] = []
  for (const substance of book.substances.values()) {
    if (cas) {
      if (substance.cas === cas) found.push({ substance, score: 900, hin: null })
      continue
    }
    const names = [substance.name_zh, ...substance.aliases_zh, ...substance.names_en].filter((name): name is string => Boolean(name))
    const best = Math.max(0, ...names.map((name) => score(query, normal(name), false)), substance.formula ? score(query, normal(substance.formula), true) : 0)
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
