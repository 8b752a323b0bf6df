// Who is signed in and what they may do. What they may do is decided by the hub; here it only decides what is shown.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { onSignedOut, session as backend } from '@/backend'
import type { Session } from '@/backend/types'
import { useClock } from './clock'

export const useSession = defineStore('session', () => {
  const who = ref<Session | null>(null)
  const asked = ref(false)
  const signed_in = computed(() => who.value !== null)
  const person = computed(() => who.value?.person.id ?? null)

  onSignedOut(() => (who.value = null))

  function take(session: Session): void {
    who.value = session
    useClock().set(session.now)
  }

  async function load(): Promise<void> {
    try {
      take(await backend.current())
    } finally {
      asked.value = true
    }
  }

  async function open(account: string, password: string, totp?: string): Promise<void> {
    take(await backend.open(account, password, totp))
  }

  async function welcome(token: string, account: string, password: string): Promise<void> {
    take(await backend.welcome(token, account, password))
  }

  async function close(): Promise<void> {
    await backend.close().catch(() => undefined)
    who.value = null
  }

  /** Ask before, and call when an answer has come: whether it still is for whoever asked for it. */
  function stillMe(): () => boolean {
    const asker = person.value
    return () => person.value === asker
  }

  /** Whether a control is worth showing: the hub refuses what is not allowed in any case. */
  function may(action: string): boolean {
    const held = who.value?.permissions ?? []
    return held.includes('*') || held.includes(action)
  }

  return { who, asked, signed_in, person, load, open, welcome, close, stillMe, may }
})
