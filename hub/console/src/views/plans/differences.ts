// What differs between two plans as lines of a list: where, and the value before and after where it is a plain one.
import type { PlanDifference } from '@/backend/plans'

export interface DifferenceLine { field: string; kind: 'added' | 'removed' | 'changed'; before: string | null; after: string | null }

/** Number and state of a version always differ and say nothing. */
const BOOKKEEPING = new Set(['version', 'status'])
const LONGEST = 120

function plain(value: unknown): string | null {
  if (value === null || value === undefined || typeof value === 'object') return null
  const text = String(value)
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}

/** A part that stands on one side only is named by its title or text, if it has one, as the reader's language writes it. */
function named(value: unknown, locale: string): string | null {
  if (typeof value !== 'object' || value === null) return plain(value)
  const part = value as Record<string, unknown>
  const words = [part.title, part.text, part.duty, part.goal, part].find((one) => typeof one === 'object' && one !== null && 'zh' in one) as Record<string, unknown> | undefined
  return words ? plain(words[locale] || words.zh) : null
}

export function lines(differences: PlanDifference[], locale: string): DifferenceLine[] {
  return differences.filter((one) => !BOOKKEEPING.has(one.field)).map((one) => {
    const kind = one.before === null || one.before === undefined ? 'added' : one.after === null || one.after === undefined ? 'removed' : 'changed'
    return { field: one.field, kind, before: named(one.before, locale), after: named(one.after, locale) }
  })
}
