// What waits, unread, on the screens of one's own department: read again shortly after a change that may concern it.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { notices as backend } from '@/backend/roster'
import type { Change, Locale, Notice } from '@/backend/types'
import { half } from '@/i18n'
import { useLive } from './live'
import { useSession } from './session'

/** Changes come in bursts (a tick of all ladders); one reading serves them all. */
const SETTLE_MS = 700

/** All that waits about one thing: the newest notice of it, and every id that reading it settles. */
export interface Waiting { newest: Notice; ids: string[]; urgent: boolean }

/** A notice in the reader's language; one from before both were kept apart holds them as `中文 / English`. */
export const titleOf = (one: Notice, locale: Locale): string => (one.title_en === null ? (one.channel === 'console' ? half(one.title, locale) : one.title) : locale === 'en' ? one.title_en : one.title)
export const bodyOf = (one: Notice, locale: Locale): string => (locale === 'en' && one.body_en !== null ? one.body_en : one.body)

/** One line for each duty, newest first: its later steps say all that the earlier ones said. */
export function byDuty(items: Notice[]): Waiting[] {
  const found = new Map<string, Waiting>()
  for (const one of items) {
    const key = one.obligation_id ?? one.id
    const held = found.get(key)
    if (!held) found.set(key, { newest: one, ids: [one.id], urgent: one.urgent })
    else {
      held.ids.push(one.id)
      held.urgent ||= one.urgent
    }
  }
  return [...found.values()]
}

/** May this change alter what waits? Notices that were written or read, duties that were met or acknowledged, incidents that ended. */
export function concerns(change: Change): boolean {
  return change.kind.startsWith('notice.') || change.kind === 'incident.state_changed' || (change.kind.startsWith('obligation.') && change.kind !== 'obligation.made')
}

export const useNotices = defineStore('notices', () => {
  const session = useSession()
  const items = ref<Notice[]>([])
  const loaded = ref(false)
  const waiting = computed(() => byDuty(items.value))
  /** The urgent ones, what is real before what is exercised. */
  const urgent = computed(() => waiting.value.filter((one) => one.urgent).sort((a, b) => Number(a.newest.drill) - Number(b.newest.drill)))
  let timer: ReturnType<typeof setTimeout> | undefined

  async function load(): Promise<void> {
    const stillMe = session.stillMe()
    const page = await backend.pending()
    if (!stillMe()) return
    items.value = page.items
    loaded.value = true
  }
  const soon = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      load().catch(() => undefined)
    }, SETTLE_MS)
  }

  /** Keep it in step with the feed, from now on; gives how to stop. */
  function follow(): () => void {
    const letGo = useLive().listen((change) => concerns(change) && soon())
    load().catch(() => undefined)
    return () => {
      letGo()
      clearTimeout(timer)
      timer = undefined
      items.value = []
      loaded.value = false
    }
  }

  /** Somebody has read these; they leave every screen of the department. */
  async function read(ids: string[]): Promise<void> {
    await backend.read(ids)
    items.value = items.value.filter((one) => !ids.includes(one.id))
  }

  return { items, loaded, waiting, urgent, load, follow, read }
})
