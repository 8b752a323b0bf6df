// Acts of the desk on an incident: at once, or held for an undo where a slip costs.
import { incidents as backend, type IncidentAction } from '@/backend'
import { useUndo } from '@/state/undo'
import { useWork } from '@/state/work'

export function useAct() {
  const undo = useUndo()
  const { busy, fault, run } = useWork()

  const now = (id: string, action: IncidentAction, body: Record<string, unknown> = {}, leaving = false): Promise<boolean> =>
    run(() => backend.act(id, action, body, leaving))

  function later(label: string, id: string, action: IncidentAction, body: Record<string, unknown>): void {
    undo.hold(label, (leaving) => void now(id, action, body, leaving))
  }

  return { now, later, fault, busy }
}
