// Gathers what a map shows from the stores: its spots and shapes by the layers that are on, and what is known of the thing that somebody chose.
import { computed, onBeforeUnmount, onMounted, type ComputedRef } from 'vue'
import type { Camera } from '@/backend/video'
import type { IncidentView } from '@/backend/types'
import type { Ground, Point } from '@/parts/geo'
import { pointOf } from '@/parts/incident'
import { belongs, useIncidents } from '@/state/incidents'
import { useLive } from '@/state/live'
import { useSession } from '@/state/session'
import { useSurroundings } from '@/state/surroundings'
import { useZones } from '@/state/zones'
import {
  cameraPoint, cameraSights, cameraSpots, enterpriseSpots, frameOf, incidentSpots, receptorSpots, resourceSpots, spread, stagingSpots, townSpots, zoneShapes, type LayerId, type Shape, type Spot,
} from './layers'

export interface Scene {
  /** Every spot of every layer, whether it is on or not. */
  all: ComputedRef<Record<LayerId, Spot[]>>
  spots: ComputedRef<Spot[]>
  shapes: ComputedRef<Shape[]>
  /** What the map should be fitted to; null: the whole district. */
  frame: ComputedRef<[number, number, number, number] | null>
}

export interface SceneParts {
  ground: () => Ground | null
  incidents: () => IncidentView[]
  shown: (layer: LayerId) => boolean
  /** Only this incident's cameras and zones, and the map close around them. */
  around: () => { incident: IncidentView; cameras: string[] } | null
}

/** Keep what the map needs in step while it is open. Without the right to read a register that layer stays empty. */
export function useScene(parts: SceneParts): Scene {
  const [live, session, surroundings, zones, incidents] = [useLive(), useSession(), useSurroundings(), useZones(), useIncidents()]
  const letGo: (() => void)[] = []
  onMounted(() => {
    letGo.push(live.follow(zones.mirror))
    if (session.may('camera.list')) letGo.push(live.follow(surroundings.mirror))
    if (session.may('resource.read')) letGo.push(live.follow(surroundings.stores))
    if (session.may('hazmat.read')) surroundings.loadReceptors().catch(() => undefined)
  })
  onBeforeUnmount(() => letGo.forEach((go) => go()))

  /** A drawing that was under way when its incident ended comes late; it is no zone any more. */
  const over = (id: string): boolean => Boolean(incidents.all[id] && belongs(incidents.all[id], 'ended'))
  const drawn = computed(() => {
    const only = parts.around()?.incident.id
    return Object.values(zones.all).filter((view) => (only ? view.incident_id === only : !over(view.incident_id)))
  })
  const cameras = computed<Camera[]>(() => {
    const linked = parts.around()?.cameras
    return linked ? surroundings.cameras.filter((camera) => linked.includes(camera.id)) : surroundings.cameras
  })
  const all = computed<Record<LayerId, Spot[]>>(() => ({
    incidents: incidentSpots(parts.incidents(), incidents.rings),
    zones: stagingSpots(drawn.value),
    cameras: cameraSpots(cameras.value),
    receptors: receptorSpots(surroundings.receptors, drawn.value.flatMap((view) => [...view.affected, ...view.junctions_to_close])),
    enterprises: enterpriseSpots(surroundings.enterprises),
    resources: spread(resourceSpots(surroundings.resources)),
    towns: townSpots(parts.ground()?.towns.features ?? []),
  }))
  const spots = computed(() => Object.values(all.value).flat().filter((spot) => parts.shown(spot.layer)))
  const shapes = computed(() => [...zoneShapes(drawn.value), ...cameraSights(cameras.value)].filter((shape) => parts.shown(shape.layer)))
  const frame = computed(() => {
    const around = parts.around()
    const at = around && pointOf(around.incident)
    if (!around || !at) return null
    const near: Point[] = [at, ...cameras.value.map(cameraPoint).filter((point) => point !== null), ...zoneShapes(drawn.value).flatMap((shape) => shape.rings.flat())]
    return frameOf(near)
  })
  return { all, spots, shapes, frame }
}
