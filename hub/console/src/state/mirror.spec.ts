import { describe, expect, it } from 'vitest'
import type { Change } from '@/backend/types'
import { Mirror, QUEUE_LIMIT, type Snapshot } from './mirror'

const change = (seq: number): Change => ({ seq, kind: 'x', at: '', actor: '', subject: '', incident_id: null, department_id: null, drill: false, body: {} })

function parts(loads: (() => Promise<Snapshot<number>>)[]) {
  const applied: number[] = []
  const placed: number[] = []
  const mirror = new Mirror<number>({ load: () => loads.shift()!(), place: (data) => placed.push(data), apply: (one) => applied.push(one.seq), empty: () => placed.push(0) })
  return { mirror, applied, placed }
}

describe('a mirror', () => {
  it('keeps changes that arrive while the snapshot loads, and applies only those newer than it, in order', async () => {
    let arrive: (snapshot: Snapshot<number>) => void = () => undefined
    const { mirror, applied, placed } = parts([() => new Promise((done) => (arrive = done))])
    const loading = mirror.reload()
    ;[7, 5, 6, 4].forEach((seq) => mirror.offer(change(seq)))
    arrive({ seq: 5, data: 1 })
    await loading
    expect(placed).toEqual([1])
    expect(applied).toEqual([6, 7])
    mirror.offer(change(7))
    mirror.offer(change(8))
    expect(applied).toEqual([6, 7, 8])
  })

  it('stays as it was when a further snapshot fails, and still applies what waited', async () => {
    let fail: (error: Error) => void = () => undefined
    const { mirror, applied, placed } = parts([async () => ({ seq: 1, data: 1 }), () => new Promise((_, no) => (fail = no))])
    await mirror.reload()
    const again = mirror.reload()
    mirror.offer(change(2))
    expect(applied).toEqual([])
    fail(new Error('away'))
    await expect(again).rejects.toThrow('away')
    expect(placed).toEqual([1])
    expect(applied).toEqual([2])
  })

  it('takes the snapshot again when more changes came than it keeps', async () => {
    let arrive: (snapshot: Snapshot<number>) => void = () => undefined
    const { mirror, placed } = parts([() => new Promise((done) => (arrive = done)), async () => ({ seq: QUEUE_LIMIT + 9, data: 2 })])
    const loading = mirror.reload()
    for (let seq = 1; seq <= QUEUE_LIMIT + 1; seq++) mirror.offer(change(seq))
    arrive({ seq: 0, data: 1 })
    await loading
    expect(placed).toEqual([2])
    expect(mirror.seq).toBe(QUEUE_LIMIT + 9)
  })

  it('asked twice while it loads, loads once more, so that nobody gets a snapshot older than the question', async () => {
    const { mirror, placed } = parts([async () => ({ seq: 1, data: 1 }), async () => ({ seq: 2, data: 2 })])
    await Promise.all([mirror.reload(), mirror.reload()])
    expect(placed).toEqual([2])
  })

  it('that forgets lets go of what it held, and places nothing that was asked for before', async () => {
    let arrive: (snapshot: Snapshot<number>) => void = () => undefined
    const { mirror, placed, applied } = parts([() => new Promise((done) => (arrive = done)), async () => ({ seq: 9, data: 2 })])
    const before = mirror.reload()
    mirror.forget()
    const after = mirror.reload()
    arrive({ seq: 3, data: 1 })
    await Promise.all([before, after])
    expect(placed).toEqual([0, 2])
    mirror.offer(change(10))
    expect(applied).toEqual([10])
    mirror.forget()
    expect(mirror.ready).toBe(false)
    expect(placed.at(-1), 'it was told to empty what it had filled').toBe(0)
  })
})
