// The window's title and icon: the page's name, and in front of it who waits, blinking until taken.
import { computed, watchEffect } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRoute } from 'vue-router'
import { useAlarm } from '@/state/alarm'
import { useClock } from '@/state/clock'
import { useIncidents } from '@/state/incidents'
import { useSession } from '@/state/session'

export function useTitle(): void {
  const { t } = useI18n()
  const route = useRoute()
  const [alarm, clock, incidents, session] = [useAlarm(), useClock(), useIncidents(), useSession()]
  const flash = computed(() => alarm.ringing && Math.floor(clock.now / 1000) % 2 === 0)

  watchEffect(() => {
    const place = session.who?.hub.name ?? 'Tocsin'
    const page = route.meta.title ? `${t(route.meta.title)} · ${place}` : place
    const count = incidents.waiting.length
    document.title = flash.value ? `🔔 ${t('alarm.title', { count })}` : count && session.signed_in ? `(${count}) ${page}` : page
    document.getElementById('icon')?.setAttribute('href', flash.value ? '/icon-alarm.svg' : '/icon.svg')
  })
}
