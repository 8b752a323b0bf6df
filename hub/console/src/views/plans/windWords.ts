// A wind in words beside a drawing: its side by name where an instrument gives degrees, and whose it is.
import { useI18n } from 'vue-i18n'
import type { Wind } from '@/backend/plans'
import { windOf } from '@/parts/map/words'

export function useWindWords(): { named: (wind: Wind) => string; source: (of: string | null) => string } {
  const { t } = useI18n()
  return {
    named: (wind) => (wind.from_deg !== null && /^\d/.test(wind.text) ? `${t(`map.winds.${windOf(wind.from_deg)}`)} ${wind.text}` : wind.text),
    source: (of) => (of === 'typed' ? t('plans.windTyped') : (of ?? '').replace(/^agent:/, '')),
  }
}
