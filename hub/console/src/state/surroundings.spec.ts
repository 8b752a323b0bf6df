// The registers on the map: a snapshot and the changes after it give what a fresh snapshot gives, for each kind of change.
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Resource } from '@/backend/plans'
import type { Camera, Enterprise } from '@/backend/video'
import type { Change, ChangeBody } from '@/backend/types'
import { LAYERS } from '@/parts/map/layers'
import { readLayers, useMapLayers } from './mapLayers'
import { useSurroundings } from './surroundings'

/** What the hub keeps, and the log of how it came about. */
class Registry {
  seq = 10
  cameras = new Map<string, Camera>()
  enterprises = new Map<string, Enterprise>()
  resources = new Map<string, Resource>()
  log: Change[] = []

  private record(kind: string, body: ChangeBody): void {
    this.log.push({ seq: ++this.seq, kind, at: '2026-11-23T06:00:00Z', actor: 'system', subject: '', incident_id: null, department_id: null, drill: false, body: JSON.parse(JSON.stringify(body)) as ChangeBody })
  }
  camera(id: string, health: string, kind = 'camera.saved'): void {
    const camera: Camera = { id, agent_id: 'a', camera_id: id, name: id, department_id: null, enterprise_id: null, place: { lon: 119, lat: 34 }, health }
    this.cameras.set(id, camera)
    this.record(kind, { camera, before: 'online' })
  }
  enterprise(id: string, zh: string): void {
    this.enterprises.set(id, { id, zh, lon: 119, lat: 34 })
    this.record('enterprise.saved', { enterprise: this.enterprises.get(id)! })
  }
  resource(id: string, change: Partial<Resource> = {}): void {
    const resource: Resource = { id, kind: 'stock', name_zh: id, department_id: 'd', capability: 'x', quantity: 1, unit: '个', ...change }
    if (resource.active === false) this.resources.delete(id)
    else this.resources.set(id, resource)
    this.record('resource.saved', { resource })
  }
  serve(): void {
    vi.stubGlobal('fetch', (path: string) => {
      const body = String(path).includes('/resources')
        ? { items: [...this.resources.values()], seq: this.seq }
        : { items: [...this.cameras.values()].map((camera) => ({ camera })), enterprises: [...this.enterprises.values()], seq: this.seq }
      return Promise.resolve(new Response(JSON.stringify(body), { status: 200, headers: { 'content-type': 'application/json' } }))
    })
  }
}

const steps: Record<string, (hub: Registry) => void> = {
  'camera.saved': (hub) => hub.camera('c2', 'connecting'),
  'camera.health_changed': (hub) => hub.camera('c1', 'covered', 'camera.health_changed'),
  'camera.advised': (hub) => hub.camera('c1', 'online', 'camera.advised'),
  'enterprise.saved': (hub) => hub.enterprise('e1', '改名后'),
  'resource.saved': (hub) => hub.resource('r1', { quantity: 5 }),
  'resource.saved for one no longer kept': (hub) => hub.resource('r2', { active: false }),
}

let hub: Registry
beforeEach(() => {
  setActivePinia(createPinia())
  localStorage.clear()
  hub = new Registry()
  hub.camera('c1', 'online')
  hub.enterprise('e1', '甲厂')
  hub.resource('r1')
  hub.resource('r2')
  hub.serve()
})

describe('snapshot + changes = a fresh snapshot', () => {
  it.each(Object.keys(steps))('after %s', async (name) => {
    const held = useSurroundings()
    await held.mirror.reload()
    await held.stores.reload()
    const from = hub.log.length
    steps[name]!(hub)
    hub.log.slice(from).forEach((change) => [held.mirror, held.stores].forEach((mirror) => mirror.offer(change)))
    const followed = JSON.stringify([held.registers, held.stock])
    setActivePinia(createPinia())
    const fresh = useSurroundings()
    await fresh.mirror.reload()
    await fresh.stores.reload()
    expect(JSON.parse(followed)).toEqual(JSON.parse(JSON.stringify([fresh.registers, fresh.stock])))
  })

  it('what another kind of change carries is left alone', async () => {
    const held = useSurroundings()
    await held.mirror.reload()
    held.mirror.offer({ ...hub.log[0]!, seq: hub.seq + 1, kind: 'camera.marked' })
    expect(held.cameras.map((camera) => camera.health)).toEqual(['online'])
  })
})

describe('the layers of the map', () => {
  it('are remembered, and what was kept of another edition does no harm', async () => {
    const layers = useMapLayers()
    layers.on.resources = true
    layers.on.towns = false
    await Promise.resolve()
    setActivePinia(createPinia())
    expect(useMapLayers().on).toMatchObject({ resources: true, towns: false, incidents: true })
    expect(Object.keys(readLayers('{"rivers": true, "towns": "yes"}')).sort()).toEqual([...LAYERS].sort())
    expect(readLayers('no json').incidents).toBe(true)
  })
})
