// What waits, unread, on the screens of one's own department: read again shortly after a change that may concern it.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { notices as backend } from '@/backend/roster'
import type { Change, Locale, Notice } from '@/backend/types'
import { half } from '@/i18n'
import { useLive } from './live'
import { useSession } from './session'
import { useUndo } from './undo'

/** Changes come in bursts (a tick of all ladders); one reading serves them all. */
const SETTLE_MS = 700

/** All that waits about one thing: the newest notice of it, and every id that reading it settles. */
export interface Waiting { newest: Notice; ids: string[]; urgent: boolean }

/** What waits under one rule: the newest on top, the others like it below; and every id that reading the group settles. */
export interface Group { first: Waiting; others: Waiting[]; ids: string[] }

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

/** What is owed under one rule (and reminded of in the same way) gathered, in the given order; a message to people stands for itself unless it is said twice over. */
export function byRule(waiting: Waiting[], rules: Record<string, string>): Group[] {
  const found = new Map<string, Group>()
  for (const one of waiting) {
    const { template, drill, obligation_id, title } = one.newest
    const key = JSON.stringify([drill, template, obligation_id ? (rules[obligation_id] ?? obligation_id) : title])
    const held = found.get(key)
    if (!held) found.set(key, { first: one, others: [], ids: [...one.ids] })
    else {
      held.others.push(one)
      held.ids.push(...one.ids)
    }
  }
  return [...found.values()]
}

/** May this change alter what waits? Notices that were written or read, duties that were met or acknowledged, incidents that ended. */
export function concerns(change: Change): boolean {
  return change.kind.startsWith('notice.') || change.kind === 'incident.state_changed' || (change.kind.startsWith('obligation.') && change.kind !== 'obligation.made')
}

export const useNotices = defineStore('notices', () => {
  const [session, undo] = [useSession(), useUndo()]
  const items = ref<Notice[]>([])
  const rules = ref<Record<string, string>>({})
  const loaded = ref(false)
  /** What is about to be read, by the hold with which it can be taken back. */
  const leaving = ref<{ hold: number; ids: string[] }[]>([])
  const gone = computed(() => new Set(leaving.value.filter((one) => undo.held.some((held) => held.id === one.hold)).flatMap((one) => one.ids)))
  const waiting = computed(() => byDuty(items.value.filter((one) => !gone.value.has(one.id))))
  const groups = computed(() => byRule(waiting.value, rules.value))
  /** The urgent ones, what is real before what is exercised. */
  const urgent = computed(() => waiting.value.filter((one) => one.urgent).sort((a, b) => Number(a.newest.drill) - Number(b.newest.drill)))
  const urgentGroups = computed(() => byRule(urgent.value, rules.value))
  let timer: ReturnType<typeof setTimeout> | undefined

  async function load(): Promise<void> {
    const stillMe = session.stillMe()
    const page = await backend.pending()
    if (!stillMe()) return
    items.value = page.items
    rules.value = page.rules
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

  /** Read several in a few seconds, unless that is taken back; meanwhile they are off the screen. */
  function readSoon(ids: string[], label: string, run: (read: () => Promise<void>) => unknown): void {
    const hold = undo.hold(label, () => void run(() => read(ids)))
    leaving.value = [...leaving.value.filter((one) => undo.held.some((held) => held.id === one.hold)), { hold, ids }]
  }

  return { items, loaded, waiting, groups, urgent, urgentGroups, load, follow, read, readSoon }
})
