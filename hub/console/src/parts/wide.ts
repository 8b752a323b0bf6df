// Whether a media query holds at the moment, so that what is not shown is not made either.
import { onBeforeUnmount, ref, type Ref } from 'vue'

export function useWide(query: string): Ref<boolean> {
  const media = matchMedia(query)
  const holds = ref(media.matches)
  const changed = () => (holds.value = media.matches)
  media.addEventListener('change', changed)
  onBeforeUnmount(() => media.removeEventListener('change', changed))
  return holds
}
