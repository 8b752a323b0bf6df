// Which layers of the map are shown; kept in the browser, since a wall and a desk differ for the same person.
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import { LAYERS, type LayerId } from '@/parts/map/layers'

const KEY = 'tocsin.map.layers'
/** At first the map shows what has to be decided about; the registers are one click away. */
const AT_FIRST: Record<LayerId, boolean> = { incidents: true, zones: true, cameras: true, receptors: false, enterprises: true, resources: false, towns: true }

export function readLayers(kept: string | null): Record<LayerId, boolean> {
  try {
    const said = JSON.parse(kept ?? '{}') as Partial<Record<LayerId, unknown>>
    return Object.fromEntries(LAYERS.map((id) => [id, typeof said[id] === 'boolean' ? said[id] : AT_FIRST[id]])) as Record<LayerId, boolean>
  } catch {
    return { ...AT_FIRST }
  }
}

export const useMapLayers = defineStore('mapLayers', () => {
  const on = ref(readLayers(localStorage.getItem(KEY)))
  /** Whether the legend is unfolded; on a phone it begins folded, since the map is what one looks at. */
  const unfolded = ref(localStorage.getItem(`${KEY}.open`) !== 'no' && !globalThis.matchMedia?.('(max-width: 760px)').matches)
  watch(on, (now) => localStorage.setItem(KEY, JSON.stringify(now)), { deep: true })
  watch(unfolded, (now) => localStorage.setItem(`${KEY}.open`, now ? 'yes' : 'no'))
  return { on, unfolded }
})
