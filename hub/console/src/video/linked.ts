// Which cameras which incident links, kept in step by the live feed; what opens by itself, and what somebody has pinned.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { video as backend, type CameraRow, type LinkedCamera, type Recording, type Segment } from '@/backend/video'
import type { Change } from '@/backend/types'
import { useClock } from '@/state/clock'
import type { Advised } from './words'

export interface Linked { incident_id: string; cameras: LinkedCamera[]; most: number; at: number }

export const useLinked = defineStore('linked', () => {
  const clock = useClock()
  const by = ref<Record<string, Linked>>({})
  const rows = ref<Record<string, CameraRow>>({})
  const newest = ref<string | null>(null)
  const dismissed = ref<Set<string>>(new Set())

  function apply(change: Change): void {
    const body = (change.body ?? {}) as unknown as Record<string, unknown>
    if (change.kind === 'camera.linked') {
      const id = String(body.incident_id)
      const cameras = body.cameras as LinkedCamera[]
      const known = by.value[id]
      by.value = { ...by.value, [id]: { incident_id: id, cameras, most: Number(body.most_streams), at: known?.at ?? clock.now } }
      const plays = (all: LinkedCamera[]): boolean => all.some((one) => one.plays !== false)
      if (plays(cameras) && (!known || (!plays(known.cameras) && !newest.value))) newest.value = id // one whose cameras were all away comes in when nothing else does
    } else if (change.kind === 'camera.unlinked') {
      const { [String(body.incident_id)]: _gone, ...rest } = by.value
      by.value = rest
      if (newest.value === body.incident_id) newest.value = null
    } else if (/^camera\.(saved|health_changed|advised)$/.test(change.kind)) {
      const camera = body.camera as CameraRow['camera']
      rows.value = { ...rows.value, [camera.id]: { ...rows.value[camera.id], camera } }
    }
  }

  async function load(incident_id: string): Promise<void> {
    const found = await backend.ofIncident(incident_id)
    const cameras = found.items.map((one) => one.link)
    by.value = { ...by.value, [incident_id]: { incident_id, cameras, most: found.most_streams, at: by.value[incident_id]?.at ?? clock.now } }
    rows.value = { ...rows.value, ...Object.fromEntries(found.items.map((one) => [one.camera.camera.id, one.camera])) }
  }

  async function loadAll(): Promise<void> {
    const found = await backend.cameras()
    rows.value = Object.fromEntries(found.items.map((one) => [one.camera.id, one]))
  }

  const health = (id: string): string | null => rows.value[id]?.camera.health ?? null
  const troubles = (id: string): string[] => rows.value[id]?.camera.troubles ?? []
  const advised = (id: string): Advised | null => rows.value[id]?.camera.advised ?? null
  const current = computed(() => (newest.value && !dismissed.value.has(newest.value) ? (by.value[newest.value] ?? null) : null))
  const dismiss = (id: string): void => void (dismissed.value = new Set([...dismissed.value, id]))

  return { by, rows, newest, current, health, troubles, advised, apply, load, loadAll, dismiss }
})

/** Why a camera's recording stands still: its last interruption, where no segment has come since. */
export function interrupted(recordings: { recording: Recording; segments: Segment[] }[], id: string): string[] {
  return recordings.filter(({ recording }) => `${recording.agent_id}/${recording.camera_id}` === id && !recording.ended_at).flatMap(({ recording, segments }) => {
    const [code = '', at = ''] = (recording.troubles?.at(-1) ?? '').split(' ')
    const newest_ms = Math.max(0, ...segments.map((one) => one.last_wall_ms))
    return ['disk_full', 'write_failed'].includes(code) && newest_ms <= Date.parse(at) ? [code] : []
  })
}

/** The ids of what opens by itself: the most telling that have a picture, at most `most`, never in place of what is pinned. */
export function opening(cameras: LinkedCamera[], most: number, pinned: string[] = []): string[] {
  const ids = cameras.filter((one) => one.plays !== false).map((one) => `${one.agent_id}/${one.camera_id}`)
  return [...pinned, ...ids.filter((id) => !pinned.includes(id))].slice(0, Math.max(most, pinned.length))
}
