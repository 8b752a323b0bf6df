// How a player keeps up: it hurries, jumps, stays further behind where the network is late; what opens by itself never displaces a pinned tile.
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Change } from '@/backend/types'
import type { LinkedCamera } from '@/backend/video'
import { interrupted, opening, useLinked } from './linked'
import { header, init, samples } from './message'
import { MARGIN_S, MOST_BEHIND_S, Pace, REMEMBERED_S, speed } from './pace'
import { DEAD_MS, play, skewOf, type Told } from './player'
import { takenAt } from './preview'

const camera = (id: string, plays = true): LinkedCamera => ({ agent_id: 'plant', camera_id: id, name: id, score: 1, reasons: [], plays })

describe('keeping up', () => {
  /** Pictures of a camera at 25 a second, each so late (s); gives how far playback that stood right before the first is behind after the last. */
  const after = (late: number[], pace = new Pace()): number => {
    late.forEach((late_s, n) => pace.arrived(n / 25, 100 + n / 25 + late_s))
    return pace.behind((late.length - 1) / 25, 100 + (late.length - 1) / 25)!
  }

  it('plays at its own pace where it should stand, hurries behind it, jumps far behind it', () => {
    expect([speed(-0.1), speed(0.005), speed(0.05), speed(0.3), speed(2)]).toEqual([1, 1, 1.1, 1.3, null])
    expect(new Pace().behind(0, 0)).toBeNull()
  })

  it('stands one margin before the pictures that come in time, a few that are late left out', () => {
    expect(after(Array<number>(50).fill(0))).toBeCloseTo(-MARGIN_S)
    expect(after([...Array<number>(25).fill(0), 0.2, ...Array<number>(24).fill(0)])).toBeCloseTo(-MARGIN_S)
    expect(after(Array.from({ length: 50 }, (_, n) => (n % 4 ? 0 : 0.1)))).toBeCloseTo(-MARGIN_S - 0.1)
  })

  it('forgets late pictures after a while, and never stays further behind than the limit', () => {
    const late = (s: number): number[] => Array<number>(10).fill(s)
    expect(after([...late(0.1), ...Array<number>(25 * REMEMBERED_S + 10).fill(0)])).toBeCloseTo(-MARGIN_S)
    expect(after([...late(3), ...Array<number>(20).fill(0)])).toBeCloseTo(-MARGIN_S - MOST_BEHIND_S)
  })
})

describe('what opens by itself', () => {
  it('is the most telling that have a picture, up to the cap', () => {
    expect(opening([camera('a'), camera('dead', false), camera('b'), camera('c')], 2)).toEqual(['plant/a', 'plant/b'])
  })

  it('never displaces what is pinned, however many are pinned', () => {
    const pinned = ['plant/x', 'plant/y', 'plant/z']
    expect(opening([camera('a'), camera('b')], 2, pinned)).toEqual(pinned)
    expect(opening([camera('a'), camera('x')], 3, ['plant/x'])).toEqual(['plant/x', 'plant/a'])
  })
})

describe('an incident whose cameras were all away', () => {
  it('opens them once one is back, unless another incident is before it', () => {
    setActivePinia(createPinia())
    const linked = useLinked()
    const say = (incident_id: string, plays: boolean): void => linked.apply({ kind: 'camera.linked', body: { incident_id, cameras: [camera(incident_id, plays)], most_streams: 4 } } as unknown as Change)
    say('i1', false)
    expect(linked.current).toBeNull()
    say('i1', true)
    expect(linked.current?.incident_id).toBe('i1')
    say('i2', false)
    say('i2', true)
    expect(linked.current?.incident_id).toBe('i1')
    say('i3', true)
    expect(linked.current?.incident_id).toBe('i3')
  })
})

/** What an agent says before the first picture. */
function began(quality = 'h264'): ArrayBuffer {
  const words = new TextEncoder().encode(`{"codec":"avc1.42c01f","w":640,"h":360,"quality":"${quality}"}\0moov`)
  const bytes = new Uint8Array(14 + words.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, 2)
  view.setUint8(1, 3)
  view.setUint32(2, 7)
  view.setBigUint64(6, 1795826346913n)
  bytes.set(words, 14)
  return bytes.buffer
}

describe('a camera that this browser cannot show', () => {
  const dialled: { url: string; closed: boolean; onmessage: (event: { data: ArrayBuffer }) => void }[] = []
  const heard: Told[] = []
  let stop = (): void => undefined
  const begin = (quality?: 'sub'): void => {
    const video = Object.assign(document.createElement('video'), { requestVideoFrameCallback: () => 0, load: () => undefined })
    stop = play(video, document.createElement('canvas'), { id: 'plant/a', quality }, (now) => heard.push(now))
  }
  beforeEach(() => {
    dialled.length = heard.length = 0
    vi.useFakeTimers()
    vi.stubGlobal('WebSocket', class { closed = false; onmessage = () => undefined; constructor(readonly url: string) { dialled.push(this) } close(): void { this.closed = true } })
    vi.stubGlobal('MediaSource', class extends EventTarget { static isTypeSupported = (): boolean => false })
    URL.createObjectURL = () => 'blob:x'
    URL.revokeObjectURL = () => undefined
  })
  afterEach(() => {
    stop()
    vi.unstubAllGlobals()
    vi.useRealTimers()
  })

  it('is asked for once more in another form, and then sends nothing more', () => {
    begin()
    dialled[0]!.onmessage({ data: began() })
    vi.advanceTimersByTime(1_000)
    dialled[1]!.onmessage({ data: began() })
    vi.advanceTimersByTime(20_000)
    expect(dialled.map((one) => [one.url.includes('quality=h264'), one.closed])).toEqual([[false, true], [true, true]])
    expect(heard.at(-1)).toMatchObject({ state: 'unsupported', reason: 'avc1.42c01f' })
  })

  it('is not asked to transcode its main stream while its sub-stream may still come', () => {
    begin('sub')
    dialled[0]!.onmessage({ data: began('main') })
    vi.advanceTimersByTime(2_000)
    expect(dialled).toHaveLength(1)
    vi.stubGlobal('MediaSource', class extends EventTarget { static isTypeSupported = (): boolean => true })
    dialled[0]!.onmessage({ data: began('sub') })
    vi.advanceTimersByTime(8_000)
    expect(dialled.map((one) => one.closed)).toEqual([false])
    stop()
    begin('sub')
    vi.stubGlobal('MediaSource', class extends EventTarget { static isTypeSupported = (): boolean => false })
    dialled[1]!.onmessage({ data: began('main') })
    vi.advanceTimersByTime(4_000)
    expect(dialled.slice(1).map((one) => one.url.includes('quality=h264'))).toEqual([false, true])
  })
})

describe('a line', () => {
  const dialled: { closed: boolean; onmessage: (event: { data: unknown }) => void }[] = []
  const heard: Told[] = []
  let stop = (): void => undefined
  beforeEach(() => {
    dialled.length = heard.length = 0
    vi.useFakeTimers()
    vi.stubGlobal('WebSocket', class { closed = false; onmessage = () => undefined; constructor() { dialled.push(this) } close(): void { this.closed = true } })
    vi.stubGlobal('MediaSource', class extends EventTarget { static isTypeSupported = (): boolean => true })
    URL.createObjectURL = () => 'blob:x'
    URL.revokeObjectURL = () => undefined
    const video = Object.assign(document.createElement('video'), { requestVideoFrameCallback: () => 0, load: () => undefined })
    stop = play(video, document.createElement('canvas'), { id: 'plant/a' }, (now) => heard.push(now))
  })
  afterEach(() => {
    stop()
    vi.unstubAllGlobals()
    vi.useRealTimers()
  })

  it('on which not even the beat of the hub comes is dead and dialled anew, and one on which only the beat comes is not', () => {
    for (let n = 0; n < 20; n++) {
      vi.advanceTimersByTime(3_000)
      dialled[0]!.onmessage({ data: '{"type":"beat"}' })
    }
    expect(dialled).toHaveLength(1)
    vi.advanceTimersByTime(DEAD_MS + 1_000)
    expect(dialled.map((one) => one.closed)).toEqual([true, false])
    expect(heard.at(-1)!.reason).toBe('lost')
  })

  it('on which pictures fall ever further behind is dialled anew, once in a while', () => {
    const picture = (wall_ms: number): ArrayBuffer => {
      const view = new DataView(new ArrayBuffer(14))
      view.setUint8(0, 3)
      view.setBigUint64(6, BigInt(Math.round(wall_ms)))
      return view.buffer
    }
    const begun = Date.now()
    for (let second = 0; second < 100; second++) {
      vi.advanceTimersByTime(1_000)
      const line = dialled.at(-1)!
      if (!line.closed) line.onmessage({ data: picture(begun + second * 500 - 40_000) }) // a clock that is 40 s off says nothing of the line
    }
    expect(dialled.length).toBeGreaterThan(1)
    expect(dialled.length).toBeLessThan(5)
    expect(heard.some((one) => one.note === 'slow_line')).toBe(true)
  })

  it('that waits to be dialled is dialled at once when the network is back', () => {
    for (let n = 0; n < 6; n++) vi.advanceTimersByTime(DEAD_MS + 1_000)
    while (!dialled.at(-1)!.closed) vi.advanceTimersByTime(500)
    const before = dialled.length
    globalThis.dispatchEvent(new Event('online'))
    expect(dialled).toHaveLength(before + 1)
  })

  it('whose pictures the decoder gives up on is dialled anew', () => {
    const video = Object.assign(document.createElement('video'), { requestVideoFrameCallback: () => 0, load: () => undefined })
    stop()
    stop = play(video, document.createElement('canvas'), { id: 'plant/a' }, (now) => heard.push(now))
    video.dispatchEvent(new Event('error'))
    expect(heard.at(-1)!.reason).toBe('decode')
  })
})

describe('an agent whose clock is thirty years off', () => {
  const year_ms = 365 * 86_400_000
  it('is not believed about the age of a picture, while a clock that is off by seconds still is', () => {
    expect(skewOf(30 * year_ms)).toBe(30 * year_ms)
    expect(skewOf(-30 * year_ms)).toBe(-30 * year_ms)
    expect(skewOf(900)).toBe(0)
    expect(skewOf(Infinity)).toBe(0) // only pictures of before have come: nothing is known of the clock
    expect(takenAt(1_000_000, 1_000_900)).toBe(1_000_000)
    expect(takenAt(1_000_000, 1_000_000 + 30 * year_ms)).toBe(1_000_000 + 30 * year_ms)
  })
})

describe('a recording that stands still', () => {
  const one = (troubles: string[], last_wall_ms: number, ended_at?: string) => [{
    recording: { id: 'r', agent_id: 'plant', camera_id: 'a', started_at: '', ended_at, troubles }, segments: [{ n: 1, sha256: '', size_bytes: 1, first_wall_ms: 0, last_wall_ms }],
  }]
  const full = 'disk_full 2026-11-23T06:00:00.000Z'
  const at = Date.parse('2026-11-23T06:00:00.000Z')
  it('is named until a segment has come again or it has ended', () => {
    expect(interrupted(one([full], at - 1000), 'plant/a')).toEqual(['disk_full'])
    expect(interrupted(one([full], at + 1000), 'plant/a')).toEqual([])
    expect(interrupted(one([full], at - 1000, 'x'), 'plant/a')).toEqual([])
    expect(interrupted(one([full], at - 1000), 'plant/b')).toEqual([])
    expect(interrupted(one([full, 'lost segment 3: 5 bytes'], at - 1000), 'plant/a')).toEqual([])
  })
})

describe('messages', () => {
  it('are read as the agent writes them', () => {
    const bytes = began()
    expect(header(bytes)).toEqual({ kind: 2, key: true, cached: true, preEvent: false, seq: 7, wall_ms: 1795826346913 })
    const read = init(bytes)
    expect(read.init.w).toBe(640)
    expect(new TextDecoder().decode(read.segment)).toBe('moov')
  })

  it('that are cut short or garbage give no samples and never hang', () => {
    for (let size = 14; size < 80; size++) expect(samples(new Uint8Array(size).fill(255).buffer)).toEqual([])
  })
})
