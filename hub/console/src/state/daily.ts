// The day's reports: one's own and the board, read again shortly after a change that concerns them (the board of a day is one small answer).
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { daily as backend, type Board, type BoardView, type DutyLine } from '@/backend/daily'
import type { Bilingual, Change } from '@/backend/types'
import { sentenceOf } from '@/parts/take'
import { useLive } from './live'
import { useSession } from './session'

/** Changes come in bursts (a tick, a digest); one reading serves them all. */
const SETTLE_MS = 400

/** Does this change alter what the board or one's list shows? */
export function concerns(change: Change): boolean {
  if (change.kind.startsWith('daily.')) return true
  if (!change.kind.startsWith('obligation.')) return false
  const held = change.body?.obligation ?? change.body?.obligations?.[0]
  return held?.kind === 'daily_report'
}

export const useDaily = defineStore('daily', () => {
  const mine = ref<DutyLine[]>([])
  const view = ref<BoardView | null>(null)
  const day = ref('')
  const loaded = ref(false)
  const fault = ref<Bilingual | null>(null)
  const board = computed<Board | null>(() => view.value?.board ?? null)
  const owed = computed(() => mine.value.filter((one) => one.open))
  let watchers = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let letGo: (() => void) | undefined

  async function load(): Promise<void> {
    const stillMe = useSession().stillMe()
    try {
      const [own, all] = await Promise.all([backend.mine(day.value || undefined), backend.board(day.value || undefined)])
      if (!stillMe()) return
      mine.value = own.items
      view.value = all
      fault.value = null
    } catch (error) {
      fault.value = sentenceOf(error)
    } finally {
      loaded.value = true
    }
  }

  /** Keep both in step while somebody looks; gives how to stop. */
  function watch(): () => void {
    watchers += 1
    letGo ??= useLive().listen((change) => {
      if (!concerns(change)) return
      clearTimeout(timer)
      timer = setTimeout(() => void load(), SETTLE_MS)
    })
    void load()
    return () => {
      watchers -= 1
      if (watchers > 0) return
      letGo?.()
      letGo = undefined
      clearTimeout(timer)
    }
  }

  function clear(): void {
    mine.value = []
    view.value = null
    loaded.value = false
    day.value = ''
  }

  return { clear, mine, view, board, day, owed, loaded, fault, load, watch }
})
