// The event types of the hub's data file: read once per session, shown by name in the operator's language.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { eventTypes as backend } from '@/backend'
import type { EventType, Locale } from '@/backend/types'

export const useEventTypes = defineStore('event-types', () => {
  const items = ref<EventType[]>([])
  const byCode = computed(() => new Map(items.value.map((type) => [type.code, type])))

  async function load(): Promise<void> {
    if (items.value.length) return
    const answer = await backend.list()
    items.value = Array.isArray(answer) ? answer : answer.items
  }

  /** The name of a type; its code where it is not known here. */
  function name(code: string, locale: Locale): string {
    return byCode.value.get(code)?.[locale] ?? code
  }

  /** Codes in a sentence are followed by their names: `12D00` alone says nothing at night. */
  function inWords(sentence: string, locale: Locale): string {
    return sentence.replace(/(?<![0-9A-Za-z])1[0-9][A-Z][0-9]{0,2}(?![0-9A-Za-z])/g, (code) => {
      const found = byCode.value.get(code) ?? byCode.value.get(code.padEnd(5, '0'))
      return found ? `${found[locale]} (${code})` : code
    })
  }

  return { items, load, name, inWords }
})
