// The text of a plan as it is being written, kept in this browser until it is saved: a refusal, a reload or a power cut loses nothing.
import { keepDraft } from '@/state/drafts'

/** `expects`: the SHA-256 of the stored draft that the text began from; null where it began from none. */
export interface KeptText { text: string; expects: string | null }

export const keyOf = (id: string | null, version: number | null): string => `plan.${id ?? ''}.${version ?? ''}`

/** Hand a text to the editor that will be opened for this version. */
export const handOver = (id: string, version: number, text: string): void => keepDraft(keyOf(id, version), { text, expects: null } satisfies KeptText)
