// What a responder did without signal, kept in the phone's own database until the hub has taken it. Everything in it may be sent twice.
import { ref } from 'vue'
import { Refused, Unreachable } from '@/backend'
import { send } from '@/backend/plans'
import type { Bilingual } from '@/backend/types'

export interface Waiting { id: string; path: string; body: unknown; title: string; at: number; refused?: Bilingual }

const NAME = 'tocsin-field'
const RETRY_MS = 10_000
export const waiting = ref<Waiting[]>([])
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
  waiting.value = (await work<Waiting[]>('readonly', (store) => store.getAll())).sort((a, b) => a.at - b.at)
}

/** Keep something to be sent; it is on the phone's disk when this returns. The id makes sending it twice once. */
export async function keep(item: Waiting): Promise<void> {
  await work('readwrite', (store) => store.put(item))
  await refresh()
}

export async function drop(id: string): Promise<void> {
  await work('readwrite', (store) => store.delete(id))
  await refresh()
}

/** Send what waits, in order; stops where nothing answers. A refused one stays, with the reason. Gives how many were taken. */
export async function flush(): Promise<number> {
  if (sending) return 0
  sending = true
  let taken = 0
  try {
    await refresh()
    for (const item of waiting.value.filter((one) => !one.refused)) {
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
  const timer = setInterval(again, RETRY_MS)
  addEventListener('online', again)
  again()
  return () => {
    clearInterval(timer)
    removeEventListener('online', again)
  }
}
