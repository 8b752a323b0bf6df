// What stands in the district besides incidents: cameras, enterprises, resources as the hub has them, in step with the feed; and who may be hurt, read once.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { receptors as receptorBackend, resources as resourceBackend, type Receptor, type Resource } from '@/backend/plans'
import { video, type Camera, type Enterprise } from '@/backend/video'
import type { Change } from '@/backend/types'
import { Mirror } from './mirror'

export interface Registers {
  cameras: Record<string, Camera>
  enterprises: Record<string, Enterprise>
}
export type ResourceMap = Record<string, Resource>

const byId = <T extends { id: string }>(items: T[]): Record<string, T> => Object.fromEntries(items.map((one) => [one.id, one]))

/** Apply what a change says of a camera or an enterprise. */
export function applyRegisters(held: Registers, change: Change): void {
  const { camera, enterprise } = change.body ?? {}
  if (camera && /^camera\.(saved|health_changed|advised)$/.test(change.kind)) held.cameras[camera.id] = camera
  if (enterprise && change.kind === 'enterprise.saved') held.enterprises[enterprise.id] = enterprise
}

/** Apply what a change says of a resource; one that is no longer kept goes. */
export function applyResources(held: ResourceMap, change: Change): void {
  const { resource } = change.body ?? {}
  if (!resource || change.kind !== 'resource.saved') return
  if (resource.active === false) delete held[resource.id]
  else held[resource.id] = resource
}

/** Whoever shows a map follows both mirrors while it is open. */
export const useSurroundings = defineStore('surroundings', () => {
  const registers = ref<Registers>({ cameras: {}, enterprises: {} })
  const stock = ref<ResourceMap>({})
  const receptors = ref<Receptor[]>([])

  const mirror = new Mirror<Registers>({
    load: async () => {
      const page = await video.cameras()
      return { seq: page.seq, data: { cameras: byId(page.items.map((row) => row.camera)), enterprises: byId(page.enterprises) } }
    },
    place: (data) => (registers.value = data),
    apply: (change) => applyRegisters(registers.value, change),
    empty: () => (registers.value = { cameras: {}, enterprises: {} }),
  })
  const stores = new Mirror<Resource[]>({
    load: async () => {
      const page = await resourceBackend.list()
      return { seq: page.seq, data: page.items }
    },
    place: (items) => (stock.value = byId(items)),
    apply: (change) => applyResources(stock.value, change),
    empty: () => (stock.value = {}),
  })

  /** They change with an edition of the data, not while somebody looks. */
  async function loadReceptors(): Promise<void> {
    if (!receptors.value.length) receptors.value = (await receptorBackend.list()).items
  }

  const cameras = computed(() => Object.values(registers.value.cameras))
  const enterprises = computed(() => Object.values(registers.value.enterprises))
  const resources = computed(() => Object.values(stock.value))
  return { registers, stock, receptors, cameras, enterprises, resources, mirror, stores, loadReceptors }
})
