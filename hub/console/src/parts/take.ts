// Taking a report (签收): the desk says "seen, ours". Refusals and broken lines are said where the button is.
import { ref } from 'vue'
import { incidents as backend, Refused } from '@/backend'
import type { Bilingual, IncidentView } from '@/backend/types'
import { useIncidents } from '@/state/incidents'

export const NO_ANSWER: Bilingual = { zh: '中枢没有应答，请重试', en: 'The hub does not answer; please try again' }

/** What to tell the operator about something that went wrong. */
export function sentenceOf(error: unknown): Bilingual {
  return error instanceof Refused ? error.sentence : NO_ANSWER
}

export function useTake() {
  const incidents = useIncidents()
  const taking = ref<string | null>(null)
  const fault = ref<Bilingual | null>(null)

  async function take(id: string): Promise<void> {
    if (taking.value) return
    taking.value = id
    fault.value = null
    try {
      incidents.place((await backend.act(id, 'acknowledge')) as IncidentView)
    } catch (error) {
      fault.value = sentenceOf(error)
    } finally {
      taking.value = null
    }
  }

  return { take, taking, fault }
}
