// Zones of open incidents as the hub has them, for maps: in step with the feed, and the same as GeoJSON.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { zones as backend, type ZonesView } from '@/backend/plans'
import type { Bilingual, Change } from '@/backend/types'
import { Mirror } from './mirror'

export type ZoneMap = Record<string, ZonesView>
const ENDED = new Set(['closed', 'false_alarm', 'merged'])

/** Apply what a change says of zones: the newest drawing of an incident stands; those of an incident that has ended go. */
export function applyZones(map: ZoneMap, change: Change): void {
  const drawn = change.body?.zones
  if (change.kind === 'zone.drawn' && drawn) {
    const held = map[drawn.incident_id]
    if (!held || held.version <= drawn.version) map[drawn.incident_id] = drawn
  }
  const incident = change.body?.incident
  if (change.kind === 'incident.state_changed' && incident && ENDED.has(incident.state)) delete map[incident.id]
}

export interface ZoneFeature {
  type: 'Feature'
  id: string
  geometry: { type: 'Polygon'; coordinates: [number, number][][] } | { type: 'Point'; coordinates: [number, number] }
  properties: { incident_id: string; kind: 'isolation' | 'protective' | 'fire' | 'staging'; radius_m: number | null; zh: string; en: string; drill: boolean }
}

const WIDE_FIRST: Record<string, number> = { fire: 0, protective: 1, isolation: 2 }

/** A drawing as GeoJSON features, the isolation circle last so that it lies on top; then the staging point. */
export function featuresOf(view: ZonesView): ZoneFeature[] {
  const common = (title: Bilingual) => ({ incident_id: view.incident_id, zh: title.zh, en: title.en, drill: view.drill })
  const shapes = [...view.zones].sort((a, b) => (WIDE_FIRST[a.kind] ?? 0) - (WIDE_FIRST[b.kind] ?? 0))
  const found: ZoneFeature[] = shapes.map((zone) => ({
    type: 'Feature', id: `${view.incident_id}/${zone.kind}`, geometry: { type: 'Polygon', coordinates: zone.polygon.coordinates },
    properties: { ...common(view.title), kind: zone.kind, radius_m: zone.radius.value },
  }))
  if (view.staging?.point) {
    found.push({
      type: 'Feature', id: `${view.incident_id}/staging`, geometry: { type: 'Point', coordinates: [view.staging.point.lon, view.staging.point.lat] },
      properties: { ...common(view.staging.approach), kind: 'staging', radius_m: null },
    })
  }
  return found
}

/** Whoever shows a map follows `mirror` while it is open: `onBeforeUnmount(live.follow(zones.mirror))`. */
export const useZones = defineStore('zones', () => {
  const all = ref<ZoneMap>({})
  const mirror = new Mirror<ZonesView[]>({
    load: async () => {
      const page = await backend.all()
      return { seq: page.seq, data: page.items }
    },
    place: (items) => (all.value = Object.fromEntries(items.map((one) => [one.incident_id, one]))),
    apply: (change) => applyZones(all.value, change),
    empty: () => (all.value = {}),
  })
  const features = computed(() => ({ type: 'FeatureCollection' as const, features: Object.values(all.value).flatMap(featuresOf) }))
  return { all, mirror, features }
})
