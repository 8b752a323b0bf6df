// The alarm: sound and title while anybody waits for the desk, until somebody takes it. A browser allows sound only after a gesture; until then it says so.
import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'
import { useClock } from './clock'
import { useIncidents } from './incidents'
import { useSession } from './session'

const REPEAT_MS = 2_400
/** How long "quiet" holds: long enough for one sentence on the telephone (our own choice). */
export const QUIET_MS = 30_000

export type Sound = 'off' | 'on' | 'unavailable'

/** Two rising tones, the second a fifth above the first; a drill sounds an octave lower. */
function ring(audio: AudioContext, drill: boolean): void {
  const base = drill ? 330 : 660
  ;[0, 0.22, 0.44].forEach((delay, n) => {
    const tone = audio.createOscillator()
    const gain = audio.createGain()
    const at = audio.currentTime + delay
    tone.type = 'square'
    tone.frequency.value = n % 2 ? base * 1.5 : base
    gain.gain.setValueAtTime(0, at)
    gain.gain.linearRampToValueAtTime(0.22, at + 0.01)
    gain.gain.linearRampToValueAtTime(0, at + 0.19)
    tone.connect(gain).connect(audio.destination)
    tone.start(at)
    tone.stop(at + 0.2)
  })
}

export const useAlarm = defineStore('alarm', () => {
  const clock = useClock()
  const incidents = useIncidents()
  const session = useSession()
  const sound = ref<Sound>('off')
  const quiet_until = ref(0)
  let audio: AudioContext | null = null
  let timer: ReturnType<typeof setInterval> | undefined

  const ours = computed(() => session.may('incident.take'))
  const ringing = computed(() => session.signed_in && incidents.waiting.length > 0)
  const quiet_s = computed(() => Math.max(0, Math.ceil((quiet_until.value - clock.now) / 1000)))

  /** Call from a click or key press: from then on the console may sound. */
  async function enable(): Promise<void> {
    try {
      audio ??= new AudioContext()
      await audio.resume()
      sound.value = audio.state === 'running' ? 'on' : 'off'
      audio.onstatechange = () => (sound.value = audio?.state === 'running' ? 'on' : 'off')
    } catch {
      sound.value = 'unavailable'
    }
  }

  function quiet(): void {
    quiet_until.value = clock.now + QUIET_MS
  }

  function beat(): void {
    if (audio && sound.value === 'on' && ours.value && quiet_s.value === 0) ring(audio, incidents.waiting.every((incident) => incident.drill))
  }

  watch(ringing, (on) => {
    clearInterval(timer)
    timer = undefined
    if (!on) return
    quiet_until.value = 0
    beat()
    timer = setInterval(beat, REPEAT_MS)
  }, { immediate: true })

  watch(() => incidents.waiting.length, (count, before) => {
    if (count > (before ?? 0)) quiet_until.value = 0
  })

  return { sound, ringing, ours, quiet_s, enable, quiet }
})
