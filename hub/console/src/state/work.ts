// One thing at a time on a page: whether it is under way, the sentence of what went wrong, and the field that the hub names for it.
import { ref } from 'vue'
import { Refused } from '@/backend'
import type { Bilingual } from '@/backend/types'
import { sentenceOf } from '@/parts/take'

export function useWork() {
  const busy = ref(false)
  const fault = ref<Bilingual | null>(null)
  const field = ref<string | null>(null)

  /** Do it and say whether it went well. */
  async function run(what: () => Promise<unknown>): Promise<boolean> {
    busy.value = true
    fault.value = field.value = null
    try {
      await what()
      return true
    } catch (error) {
      fault.value = sentenceOf(error)
      field.value = error instanceof Refused ? error.field : null
      return false
    } finally {
      busy.value = false
    }
  }

  return { busy, fault, field, run }
}
