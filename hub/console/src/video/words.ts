// What is wrong with a camera, what its detectors think they see and which sound is left out, in words.
import { useI18n } from 'vue-i18n'

export interface Advised { kind: string; score: number; detector: string; at: string }
/** So long a hint of a detector stands on a tile: it is told again every five minutes while it goes on. */
export const HINT_MS = 600_000
const SOUNDS: Record<string, string> = { pcm_alaw: 'G.711 A', pcm_mulaw: 'G.711 µ', adpcm_g722: 'G.722' }

export function useVideoWords(): { trouble: (code: string) => string; advisory: (kind: string) => string; sound: (codec: string) => string } {
  const { t, te } = useI18n()
  const known = (key: string, other: string): string => (te(key) ? t(key) : other)
  const sound = (codec: string): string => t('video.soundLeftOut', { codec: SOUNDS[codec] ?? codec })
  /** A code may end in a figure: how far a camera's clock is off; an unknown one is said as it came. */
  const trouble = (code: string): string => {
    const [, n, unit] = /^clock_wrong_([+-]\d+)([dhm])$/.exec(code) ?? []
    return unit ? t('video.clockWrong', { off: `${n} ${t(`video.units.${unit}`)}` }) : known(`video.troubles.${code}`, code)
  }
  return { trouble, sound, advisory: (kind) => known(`video.advisories.${kind}`, kind) }
}
