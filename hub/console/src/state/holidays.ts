// Whether next year's holiday table is missing: asked for once a day, and set by whoever reads the calendar or the board anyway.
import { defineStore } from 'pinia'
import { ref } from 'vue'
import { dailySettings as backend } from '@/backend/daily'
import { dayOf } from '@/parts/time'

export const useHolidays = defineStore('holidays', () => {
  const missing = ref<number | null>(null)
  let asked = ''

  /** The year that is asked for, or null; reads it from the hub the first time on a day. */
  function year(): number | null {
    const today = dayOf(Date.now())
    if (asked !== today) {
      asked = today
      void backend.calendar(today, 1).then((view) => (missing.value = view.needs_table), () => (asked = ''))
    }
    return missing.value
  }

  return { missing, year }
})
