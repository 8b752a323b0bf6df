// Words for changes and for who made them. A kind that this console does not know is shown by the words the hub sends, or by its name.
import { useI18n } from 'vue-i18n'
import type { Change, Locale } from '@/backend/types'
import routine from './routine.json'

/** Would it bury the rest of a list of changes? */
export const isRoutine = (change: Change): boolean => (routine as string[]).includes(change.kind)

/** Fewer in a row than this stand each for itself. */
const FOLDED_FROM = 3

/** Changes (in order) that say the same one after the other, gathered: what repeats itself must not bury the rest. Pure. */
export function runsOf(changes: readonly Change[], said: (change: Change) => string): Change[][] {
  const runs: Change[][] = []
  for (const change of changes) {
    const [last] = runs.at(-1) ?? []
    if (last && last.kind === change.kind && last.actor === change.actor && said(last) === said(change)) runs.at(-1)!.push(change)
    else runs.push([change])
  }
  return runs.flatMap((run) => (run.length < FOLDED_FROM ? run.map((change) => [change]) : [run]))
}

interface Titled { title?: string; title_en?: string | null; title_zh?: string }

/** What a notice or a duty in a change is called, or nothing: an id says nothing to whoever watches. Pure. */
export function titleIn(body: Change['body'], locale: Locale): string {
  const { notice, notices, obligation, obligations } = (body ?? {}) as { notice?: Titled; notices?: Titled[]; obligation?: Titled; obligations?: Titled[] }
  const one = notice ?? notices?.[0] ?? obligation ?? obligations?.[0]
  return (locale === 'en' ? one?.title_en : null) ?? one?.title ?? one?.title_zh ?? ''
}

export function useChangeWords() {
  const { t, te } = useI18n()

  function kindWords(change: Change, locale: Locale): string {
    const key = `kinds.${change.kind.replace(/\./g, '_')}`
    const own = change[locale]
    return te(key) ? t(key) : (own ?? change.kind)
  }

  /** `person:…`, `agent:…`, `system:…` in words; ids stay ids where no name is known. */
  function actorWords(actor: string, names: Record<string, string> = {}): string {
    if (names[actor]) return names[actor]
    const [kind, id] = [actor.slice(0, actor.indexOf(':')), actor.slice(actor.indexOf(':') + 1)]
    if (kind === 'system' && te(`changes.parts.${id}`)) return t(`changes.parts.${id}`)
    return te(`changes.actors.${kind}`) ? `${t(`changes.actors.${kind}`)} ${id.length > 20 ? id.slice(-6) : id}` : actor
  }

  return { kindWords, actorWords }
}
