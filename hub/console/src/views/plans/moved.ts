// The places that came into a zone or left it, so short that the line stays one: the first few by name, and how many there are.
import type { Bilingual, Locale } from '@/backend/types'

const SHOWN = 5

/** `more` is said behind the first few names, with the number of all. */
export function fewOf(places: readonly Bilingual[], locale: Locale, comma: string, more: (n: number) => string): string {
  const names = places.slice(0, SHOWN).map((one) => one[locale]).join(comma)
  return places.length > SHOWN ? names + more(places.length) : names
}
