import { createPinia, setActivePinia } from 'pinia'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { PretendHub } from '../../tests/hub'
import { awaits, belongs, byUrgency, longestWaiting, useIncidents } from './incidents'
import { useLive } from './live'
import { useSession } from './session'

describe('a desk with more than a page of incidents', () => {
  afterEach(() => {
    useLive().stop()
    useIncidents().mirror.forget()
    vi.unstubAllGlobals()
  })

  it('counts every one that waits or is open and names the one that has waited longest', async () => {
    setActivePinia(createPinia())
    const hub = new PretendHub()
    const oldest = hub.open('最早')
    for (let n = 1; n < 450; n++) hub.open(`第${n}起`)
    hub.take(hub.open('已签收'))
    hub.serve()
    await useSession().load()
    useLive().start(hub.dial)
    await vi.waitFor(() => expect(useIncidents().loaded).toBe(true))
    expect(useIncidents().waiting.length).toBe(450)
    expect(useIncidents().open.length).toBe(451)
    expect(useIncidents().first?.id).toBe(oldest)
  })
})

describe("the desk's order", () => {
  it('puts those that wait on top: real before drill, urgent first; in each group the newest stands on top', () => {
    const hub = new PretendHub()
    const old = hub.open('旧')
    const first = hub.open('先等')
    const second = hub.open('后等')
    const urgent = hub.open('紧急', { urgent: true })
    const drill = hub.open('演练', { drill: true, urgent: true })
    const newest = hub.open('新')
    hub.take(old)
    hub.take(newest)
    const order = hub.list().sort(byUrgency).map((incident) => incident.id)
    expect(order).toEqual([urgent, second, first, drill, newest, old])
  })

  it('gives the turn to whoever has waited longest among the urgent and real ones', () => {
    const hub = new PretendHub()
    hub.open('演练', { drill: true, urgent: true })
    const first = hub.open('先等')
    hub.open('后等')
    expect(longestWaiting(hub.list())?.id).toBe(first)
    const urgent = hub.open('紧急', { urgent: true })
    hub.open('又一起紧急', { urgent: true })
    expect(longestWaiting(hub.list())?.id).toBe(urgent)
    expect(longestWaiting([])).toBeNull()
  })

  it('no longer counts an incident as waiting once it is taken, merged, closed or called false', () => {
    const hub = new PretendHub()
    const ids = (['merged', 'closed', 'false_alarm'] as const).map((state) => {
      const id = hub.open(state)
      hub.state(id, state)
      return id
    })
    expect(ids.map((id) => awaits(hub.get(id).incident))).toEqual([false, false, false])
    for (const id of ids.slice(1)) hub.follow(id)
    expect(ids.map((id) => awaits(hub.get(id).incident))).toEqual([false, true, true])
    expect(ids.map((id) => belongs(hub.get(id).incident, 'ended'))).toEqual([true, true, true])
    const open = hub.open('等')
    expect(awaits(hub.get(open).incident)).toBe(true)
    hub.take(open)
    expect(awaits(hub.get(open).incident)).toBe(false)
  })

  it('shows a trusted report that nobody took as waiting although it is verified', () => {
    const hub = new PretendHub()
    const id = hub.open('可信', { state: 'verified', source_trusted: true })
    expect(awaits(hub.get(id).incident)).toBe(true)
    expect(belongs(hub.get(id).incident, 'verified')).toBe(true)
    expect(belongs(hub.get(id).incident, 'ended')).toBe(false)
  })
})
