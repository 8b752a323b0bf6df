// The promise of the live feed: a snapshot and the changes after it give what a fresh snapshot gives, whatever breaks in between.
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { IncidentPage } from '@/backend/types'
import { PretendHub } from '../../tests/hub'
import { applyToPage, openPage } from './incident'
import { useIncidents } from './incidents'
import { useLive } from './live'
import { useSession } from './session'

let hub: PretendHub
type Step = (hub: PretendHub) => void

/** One step for each kind of change; a and b are the two incidents there from the start. */
const steps: Record<string, (a: string, b: string) => Step> = {
  'incident.opened and report.received': () => (hub) => void hub.open('又一起'),
  'incident.acknowledged': (a) => (hub) => hub.take(a),
  'incident.updated': (a) => (hub) => hub.follow(a),
  'incident.state_changed to verified': (a) => (hub) => hub.state(a, 'verified'),
  'incident.graded': (a) => (hub) => hub.grade(a, 'serious'),
  'incident.noted': (a) => (hub) => hub.note(a, '已通知消防'),
  'merge.proposed': (a, b) => (hub) => hub.propose(b, a),
  'merge.decided': (_, b) => (hub) => hub.decide(b, 'merged'),
  'incident.state_changed to merged': (a, b) => (hub) => hub.state(b, 'merged', { merged_into: a }),
  'obligation.made': (a) => (hub) => hub.owe(a),
  'obligation.met': (a) => (hub) => hub.owe(a, 'met'),
  'incident.state_changed to closed': (a) => (hub) => hub.state(a, 'closed'),
}
const names = Object.keys(steps)

/** The same facts in the same order, so that two copies can be compared. */
function settled(page: IncidentPage) {
  const byId = <T extends { id: string }>(list: T[] = []) => [...list].sort((x, y) => x.id.localeCompare(y.id))
  return {
    incident: page.incident, reports: byId(page.reports), merges: byId(page.merge_candidates), duties: byId(page.obligations),
    timeline: page.timeline.map((change) => change.seq).sort((x, y) => x - y),
  }
}
const flush = async (ms = 0) => void (await vi.advanceTimersByTimeAsync(ms))
/** Let seconds pass, with the hub's heartbeat. */
async function pass(seconds: number, from: PretendHub = hub): Promise<void> {
  for (let n = 0; n < seconds; n++) {
    await flush(1000)
    from.beat()
  }
}
const listed = () => Object.values(useIncidents().all).sort((x, y) => y.number - x.number)

beforeEach(() => {
  vi.useFakeTimers()
  vi.setSystemTime(Date.parse('2026-11-23T06:00:00Z'))
  setActivePinia(createPinia())
  hub = new PretendHub()
  hub.serve()
})
afterEach(() => {
  useLive().stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function begin() {
  const [a, b] = [hub.open('甲'), hub.open('乙')]
  await useSession().load()
  const [live] = [useLive(), useIncidents()]
  live.start(hub.dial)
  await flush()
  const opened = openPage(a, () => true)
  live.follow(opened.mirror)
  await flush()
  return { a, b, live, opened }
}

describe('snapshot + changes = a fresh snapshot', () => {
  it.each(names)('after %s', async (name) => {
    const { a, b, opened } = await begin()
    for (const one of names.slice(0, names.indexOf(name) + 1)) steps[one]!(a, b)(hub)
    await flush()
    expect(listed()).toEqual(hub.list())
    expect(settled(opened.page.value!)).toEqual(settled(hub.page(a)))
  })

  it.each(names)('when the line breaks before %s and comes back later', async (name) => {
    const { a, b, live, opened } = await begin()
    for (const one of names) {
      if (one === name) {
        hub.reachable = false
        hub.cut()
      }
      steps[one]!(a, b)(hub)
      await flush(100)
    }
    expect(live.line).not.toBe('open')
    hub.reachable = true
    await pass(20)
    expect(live.line).toBe('open')
    expect(listed()).toEqual(hub.list())
    expect(settled(opened.page.value!)).toEqual(settled(hub.page(a)))
  })

  it('when the hub throws this screen off: everything is read anew', async () => {
    const { a, b, live, opened } = await begin()
    hub.dropAll('too_slow')
    expect(live.dropped).toBe('too_slow')
    names.forEach((one) => steps[one]!(a, b)(hub))
    await pass(20)
    expect(live.dropped).toBeNull()
    expect(listed()).toEqual(hub.list())
    expect(settled(opened.page.value!)).toEqual(settled(hub.page(a)))
  })

  it.each([0, 1, 9])('when a backup was restored, which has gone on by %i changes: everything is read anew, and said', async (further) => {
    const { a, b, live } = await begin()
    const restore = hub.backup()
    for (const lost of [1, 2, 3, 4]) hub.open(`备份之后的 ${lost}`)
    await flush()
    expect(live.restored).toBeNull()
    restore()
    for (let n = 0; n < further; n++) hub.open(`恢复之后的 ${n}`)
    await pass(20)
    expect(listed()).toEqual(hub.list())
    expect(live.restored).not.toBeNull()
    hub.take(a)
    hub.take(b)
    hub.cut()
    live.restored = null
    await pass(20)
    expect(live.restored).toBeNull()
    expect(listed()).toEqual(hub.list())
  })

  it('leaves a page alone when another incident changes', () => {
    const [a, b] = [hub.open('甲'), hub.open('乙')]
    const page = hub.page(a)
    const before = JSON.stringify(page)
    hub.take(b)
    applyToPage(page, hub.log.at(-1)!)
    expect(JSON.stringify(page)).toBe(before)
  })

  it('does not let an older view overwrite a newer one that was read on its own', async () => {
    const { a } = await begin()
    const incidents = useIncidents()
    hub.take(a)
    const taken = hub.get(a).incident
    incidents.place(taken)
    incidents.place({ ...taken, version: taken.version - 1, acknowledged_at: null })
    expect(incidents.all[a]!.acknowledged_at).not.toBeNull()
  })
})

describe('a line that is closed', () => {
  it('is said at once, but not for a blink', async () => {
    const { live } = await begin()
    const { useClock } = await import('./clock')
    useClock().start()
    hub.reachable = false
    hub.cut()
    await flush(1_000)
    expect(live.stale).toBe(false)
    await flush(1_500)
    expect(live.stale).toBe(true)
    useClock().stop()
  })
})

describe('the age of what is on the screen', () => {
  it('is called stale within five seconds of silence, and says since when', async () => {
    const { live } = await begin()
    const { useClock } = await import('./clock')
    useClock().start()
    await flush(3_600)
    expect(live.stale).toBe(false)
    await flush(1_000)
    expect(live.stale).toBe(true)
    expect(live.stale_since).not.toBeNull()
    useClock().stop()
  })
})
