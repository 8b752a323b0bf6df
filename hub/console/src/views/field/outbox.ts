// What a responder did without signal, kept in the phone's own database until the hub has taken it. Everything in it may be sent twice,
// and goes under the name of whoever did it: what another person left on the phone waits for that person.
import { computed, ref } from 'vue'
import { Refused, Unreachable } from '@/backend'
import { send } from '@/backend/plans'
import type { Bilingual } from '@/backend/types'
import { useSession } from '@/state/session'

/** `by`: who did it (nobody where nobody was signed in: it goes with the next one); `not_before`: until then it can be taken back. */
export interface Waiting { id: string; path: string; body: unknown; title: string; at: number; by?: string | null; not_before?: number; refused?: Bilingual }

const NAME = 'tocsin-field'
const RETRY_MS = 10_000
/** How long a slip of the thumb can be taken back before it goes out (our own choice). */
export const UNDO_MS = 6_000
const all = ref<Waiting[]>([])
const isMine = (one: Waiting): boolean => !one.by || one.by === useSession().person
export const waiting = computed(() => all.value.filter(isMine))
export const of_others = computed(() => all.value.length - waiting.value.length)
let sending = false

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1)
    request.onupgradeneeded = () => request.result.createObjectStore('outbox', { keyPath: 'id' })
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('no database'))
  })
}

async function work<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await open()
  try {
    return await new Promise<T>((resolve, reject) => {
      const done = db.transaction('outbox', mode)
      const request = act(done.objectStore('outbox'))
      done.oncomplete = () => resolve(request.result)
      done.onerror = () => reject(done.error ?? new Error('not stored'))
    })
  } finally {
    db.close()
  }
}

async function refresh(): Promise<void> {
  all.value = (await work<Waiting[]>('readonly', (store) => store.getAll())).sort((a, b) => a.at - b.at)
}

/** Keep something to be sent; it is on the phone's disk when this returns. The id makes sending it twice once. */
export async function keep(item: Waiting): Promise<void> {
  await work('readwrite', (store) => store.put({ by: useSession().person, ...item }))
  await refresh()
}

export async function drop(id: string): Promise<void> {
  await work('readwrite', (store) => store.delete(id))
  await refresh()
}

/** Send what waits of whoever is signed in, in order; stops where nothing answers. A refused one stays, with the reason. Gives how many were taken.
 *  What can still be taken back waits, unless the page goes out of sight (`hurry`). */
export async function flush(hurry = false): Promise<number> {
  if (sending || !useSession().signed_in) return 0
  sending = true
  let taken = 0
  try {
    await refresh()
    for (const item of waiting.value.filter((one) => !one.refused && (hurry || (one.not_before ?? 0) <= Date.now()))) {
      try {
        await send(item.path, item.body)
        await drop(item.id)
        taken += 1
      } catch (error) {
        if (error instanceof Unreachable || (error instanceof Refused && error.status === 401)) break
        if (!(error instanceof Refused)) throw error
        await keep({ ...item, refused: error.sentence })
      }
    }
  } finally {
    sending = false
  }
  return taken
}

/** Try again for as long as the page is open; `then` is called when something was taken. */
export function keepSending(then: () => void): () => void {
  const again = (): void => void flush().then((taken) => taken && then()).catch(() => undefined)
  const hidden = (): void => void (document.hidden && flush(true).catch(() => undefined))
  const timer = setInterval(again, RETRY_MS)
  addEventListener('online', again)
  document.addEventListener('visibilitychange', hidden)
  again()
  return () => {
    clearInterval(timer)
    removeEventListener('online', again)
    document.removeEventListener('visibilitychange', hidden)
  }
}
