// One thing at a time on a page: whether it is under way, and the sentence of what went wrong.
import { ref } from 'vue'
import type { Bilingual } from '@/backend/types'
import { sentenceOf } from '@/parts/take'

export function useWork() {
  const busy = ref(false)
  const fault = ref<Bilingual | null>(null)

  /** Do it and say whether it went well. */
  async function run(what: () => Promise<unknown>): Promise<boolean> {
    busy.value = true
    fault.value = null
    try {
      await what()
      return true
    } catch (error) {
      fault.value = sentenceOf(error)
      return false
    } finally {
      busy.value = false
    }
  }

  return { busy, fault, run }
}
