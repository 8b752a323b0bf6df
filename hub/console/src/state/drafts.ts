// What somebody is typing, kept in the browser until the hub has given a receipt for it: a refusal, a reload or a power cut loses nothing.
import { getCurrentScope, nextTick, onMounted, reactive, watch } from 'vue'
import { useSession } from './session'

/** UUIDv7 (RFC 9562): made where the thing happens; the id is the idempotency key, so sending twice files once. */
export function newId(now_ms: number = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  let ms = now_ms
  for (let n = 5; n >= 0; n--) {
    bytes[n] = ms % 256
    ms = Math.floor(ms / 256)
  }
  bytes[6] = (bytes[6]! & 0x0f) | 0x70
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

const PLACE = 'tocsin.draft.'

/** Where one's own drafts are kept: the browser may be another's tomorrow. */
const placeOf = (person: string | null): string => `${PLACE}${person ?? ''}.`

const kept = (place: string): string[] => Object.keys(localStorage).filter((key) => key.startsWith(place))

/** Put something into one's own draft under a key, for the form that will be opened with it. */
export const keepDraft = (key: string, draft: object): void => localStorage.setItem(placeOf(useSession().person) + key, JSON.stringify(draft))

/** What is kept of one's own under a key, where there is something readable. */
export function readDraft<T extends object>(key: string): Partial<T> {
  try {
    return JSON.parse(localStorage.getItem(placeOf(useSession().person) + key) ?? '{}') as Partial<T>
  } catch {
    return {}
  }
}

export const dropDraft = (key: string): void => localStorage.removeItem(placeOf(useSession().person) + key)

/** How many drafts of this person wait in this browser. */
export const draftsOf = (person: string | null): number => kept(placeOf(person)).length

/** Delete what this person typed and did not send. */
export const forgetDrafts = (person: string | null): void => kept(placeOf(person)).forEach((key) => localStorage.removeItem(key))

/** One's own reactive draft under a key, restored from the browser's storage where there is one; kept from the first word typed once the form is there. */
export function useDraft<T extends object>(key: string, blank: () => T): { draft: T; clear: () => void } {
  const place = placeOf(useSession().person) + key
  const draft = reactive({ ...blank(), ...readDraft<T>(key) }) as T
  const scope = getCurrentScope()!
  onMounted(() => void nextTick(() => scope.active && scope.run(() => watch(draft, () => localStorage.setItem(place, JSON.stringify(draft)), { deep: true, flush: 'sync' }))))

  function clear(): void {
    const record = draft as Record<string, unknown>
    Object.keys(record).forEach((name) => delete record[name])
    Object.assign(draft, blank())
    localStorage.removeItem(place)
  }

  return { draft, clear }
}
