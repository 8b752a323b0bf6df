// Acts of the desk on an incident: at once, or held for an undo where a slip costs.
import { ref } from 'vue'
import { incidents as backend, type IncidentAction } from '@/backend'
import type { Bilingual } from '@/backend/types'
import { sentenceOf } from '@/parts/take'
import { useUndo } from '@/state/undo'

export function useAct() {
  const undo = useUndo()
  const fault = ref<Bilingual | null>(null)
  const busy = ref(false)

  async function now(id: string, action: IncidentAction, body: Record<string, unknown> = {}, leaving = false): Promise<boolean> {
    busy.value = true
    fault.value = null
    try {
      await backend.act(id, action, body, leaving)
      return true
    } catch (error) {
      fault.value = sentenceOf(error)
      return false
    } finally {
      busy.value = false
    }
  }

  function later(label: string, id: string, action: IncidentAction, body: Record<string, unknown>): void {
    undo.hold(label, (leaving) => void now(id, action, body, leaving))
  }

  return { now, later, fault, busy }
}
