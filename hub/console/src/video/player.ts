// Plays a camera: Media Source with catch-up, or WebCodecs onto a canvas where every millisecond counts. Comes back by itself; a cut view does not.
import { video as backend } from '@/backend/video'
import { HEADER, header, init as readInit, samples, type Init } from './message'
import { Pace, speed } from './pace'

export type PlayerState = 'connecting' | 'live' | 'stalled' | 'ended' | 'unsupported'
/** `wall_ms` is the agent's clock, which stands `skew_ms` before the hub's where it is off by more than a minute; `sound`: the codec that is left out; `note`: why pictures are left out. */
export interface Told { state: PlayerState; reason: string; latency_ms: number | null; wall_ms: number; skew_ms: number; transcoded: boolean; sound: string; note: string; live_at: number | null }
export interface Sink { init(init: Init, segment: Uint8Array<ArrayBuffer>): boolean; fragment(message: ArrayBuffer): void; close(): void }
/** `quality`: `sub` for a tile of a wall; the main stream comes where the camera has no other, or somebody else needs it. */
export interface PlayOptions { id: string; quality?: 'sub'; reason?: string; fragment_s?: number; lowLatency?: boolean; now?: () => number }

export const STALLED_MS = 3_000
/** A line on which nothing comes for so long, not even the hub's beat (every 3 s), is dead, whatever the browser thinks of it: it is dialled anew. */
export const DEAD_MS = 10_000
/** Pictures that come so much later than the fastest one of this line wait somewhere on the way, where nobody can drop them: a new line begins with the newest picture. */
export const BEHIND_MS = 8_000
/** A line is given up for that no sooner than so long after it was dialled: each is a view on record. */
export const PATIENCE_MS = 30_000
/** An agent's clock that is off by more than this says nothing of a picture's age: it is then counted from the fastest one seen. */
export const CLOCK_OFF_MS = 60_000
/** So long the sub-stream is waited for where the main stream that comes first cannot be shown here. */
const SUB_MS = 3_000
/** So long a note stands. */
const NOTE_MS = 15_000
const KEPT_S = 30
/** The media begin so long after zero: rounded to below zero, the first picture would be left out, and with it all up to the next key frame. */
const FIRST_S = 0.001
/** Where playback jumps to before a live picture has said how late they come: so far before the end of what is there. */
const UNKNOWN_S = 0.06
/** Playback stands within what is there although that begins so much later. */
const GAP_S = 0.1
/** So long the first picture is waited for before playback hurries on without it (a page that nobody sees shows none). */
const FIRST_MS = 1_000
/** Reasons after which asking again would be refused again. */
const FINAL = new Set(['not_linked', 'closed', 'not_shared', 'share_ended', 'signed_out', 'unverified', 'reason_needed', 'tier_too_low', 'no_role', 'unknown_camera'])

/** How far an agent's clock stands behind the hub's, where that is more than any line delays a picture; else 0, also while none has come live (Infinity). */
export const skewOf = (fastest_ms: number): number => (Number.isFinite(fastest_ms) && Math.abs(fastest_ms) > CLOCK_OFF_MS ? fastest_ms : 0)

class MseSink implements Sink {
  private source: MediaSource | null = null
  private buffer: SourceBuffer | null = null
  private queue: { part: Uint8Array<ArrayBuffer>; live: boolean }[] = []
  private url = ''
  private type = ''
  private began = false
  private showing = false
  private fresh = true
  private begun_ms = 0
  private live = false
  private end_s = 0
  private offset_s: number | null = null
  private pace = new Pace()
  private times: { time_s: number; wall_ms: number }[] = []
  private timer: ReturnType<typeof setInterval>

  constructor(private readonly video: HTMLVideoElement, private readonly shown: (wall_ms: number) => void, private readonly broken: (why: string) => void) {
    this.timer = setInterval(() => this.keepUp(), 100)
    video.onerror = () => video.getAttribute('src') && this.broken('decode') // a stream that the decoder gives up on would stand still without a word
    this.open() // while the hub is asked: the first picture need not wait for it
    this.frame()
  }

  init(init: Init, segment: Uint8Array<ArrayBuffer>): boolean {
    const type = `video/mp4; codecs="${[init.codec, init.audio].filter(Boolean).join(', ')}"`
    if (!MediaSource.isTypeSupported(type)) return false
    if (this.type) this.open()
    this.type = type
    this.queue = [{ part: segment, live: false }]
    this.ready()
    return true
  }

  private open(): void {
    if (this.url) URL.revokeObjectURL(this.url)
    this.type = ''
    this.times = []
    this.buffer = null
    this.began = this.showing = this.live = false
    this.fresh = true
    this.end_s = 0
    this.offset_s = null
    this.pace = new Pace()
    this.source = new MediaSource()
    this.source.addEventListener('sourceopen', () => this.ready(), { once: true })
    this.url = URL.createObjectURL(this.source)
    this.video.src = this.url
  }

  /** The browser's source is open and the hub has said what comes: in either order. */
  private ready(): void {
    const source = this.source
    if (!this.type || this.buffer || source?.readyState !== 'open') return
    source.duration = Infinity
    this.buffer = source.addSourceBuffer(this.type)
    this.buffer.addEventListener('updateend', () => this.appended())
    this.buffer.addEventListener('error', () => this.broken('decode'))
    this.next()
  }

  fragment(message: ArrayBuffer): void {
    const { wall_ms, cached } = header(message)
    const found = samples(message)
    if (found.length) {
      this.offset_s ??= FIRST_S - Math.min(...found.map((one) => Math.min(one.time_s, one.decode_s)))
      this.times.push({ time_s: found[0]!.time_s + this.offset_s, wall_ms })
    }
    if (this.times.length > 400) this.times.splice(0, 200)
    this.queue.push({ part: new Uint8Array(message.slice(HEADER)), live: !cached })
    this.next()
  }

  /** What was handed over is there: begin with it, or learn from it how late pictures come. */
  private appended(): void {
    const ahead = this.buffer?.buffered
    if (ahead?.length) {
      const [start, end] = [ahead.start(ahead.length - 1), ahead.end(ahead.length - 1)]
      if (this.live && this.end_s && end > this.end_s) this.pace.arrived(Math.max(start, this.end_s), performance.now() / 1000)
      this.end_s = end
      this.begin(start)
      this.keepUp()
    }
    this.next()
  }

  private next(): void {
    const buffer = this.buffer
    if (!buffer || buffer.updating || this.source?.readyState !== 'open') return
    const ahead = buffer.buffered
    const old = ahead.length ? ahead.end(ahead.length - 1) - ahead.start(0) : 0
    try {
      if (old > KEPT_S) return buffer.remove(ahead.start(0), ahead.end(ahead.length - 1) - 10)
      if (!this.queue.length) return
      if (this.offset_s !== null && buffer.timestampOffset !== this.offset_s) buffer.timestampOffset = this.offset_s
      this.live = this.queue.every((one) => one.live)
      buffer.appendBuffer(this.joined())
    } catch {
      this.broken('buffer')
    }
  }

  private joined(): Uint8Array<ArrayBuffer> {
    const parts = this.queue.map((one) => one.part)
    this.queue = []
    if (parts.length === 1) return parts[0]!
    const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
    let at = 0
    for (const part of parts) {
      all.set(part, at)
      at += part.length
    }
    return all
  }

  /** Show the first picture there is at once: to decode the whole group before it would cost more than the eye forgives. Playback begins at zero,
   * where the media were moved to: no seek is needed, which costs as much as the picture itself. */
  private begin(start_s: number): void {
    if (this.began) return
    this.began = true
    this.begun_ms = performance.now()
    if (start_s > GAP_S) this.video.currentTime = start_s
    this.video.play().catch(() => undefined)
  }

  /** How far playback is behind where it should stand, and where that is. */
  private behind(ahead: TimeRanges): number {
    return this.pace.behind(this.video.currentTime, performance.now() / 1000) ?? ahead.end(ahead.length - 1) - UNKNOWN_S - this.video.currentTime
  }

  private jump(ahead: TimeRanges, behind_s: number): void {
    const last = ahead.length - 1
    this.video.currentTime = Math.max(ahead.start(last), Math.min(ahead.end(last), this.video.currentTime + behind_s))
  }

  private keepUp(): void {
    const ahead = this.buffer?.buffered
    if (!this.began || !ahead?.length || (!this.showing && performance.now() - this.begun_ms < FIRST_MS)) return
    const behind_s = this.behind(ahead)
    const outside = this.video.currentTime < ahead.start(ahead.length - 1) - GAP_S || this.video.currentTime > ahead.end(ahead.length - 1) + GAP_S
    const rate = outside || (this.fresh && behind_s > GAP_S) ? null : speed(behind_s)
    if (rate === null) this.jump(ahead, behind_s)
    else if (this.video.playbackRate !== rate) this.video.playbackRate = rate
    if (this.live) this.fresh = false // up to the first live picture it jumps to the newest
    if (this.video.paused) this.video.play().catch(() => undefined)
  }

  private frame(): void {
    this.video.requestVideoFrameCallback((_now, metadata) => {
      if (!this.showing) {
        this.showing = true
        this.keepUp()
      }
      const at = metadata.mediaTime + 0.002
      for (let n = this.times.length - 1; n >= 0; n--) {
        if (this.times[n]!.time_s <= at) {
          this.shown(this.times[n]!.wall_ms)
          break
        }
      }
      if (this.source || !this.url) this.frame()
    })
  }

  close(): void {
    clearInterval(this.timer)
    this.video.onerror = null
    this.source = this.buffer = null // what is under way there ends after it
    this.video.removeAttribute('src')
    this.video.load()
    if (this.url) URL.revokeObjectURL(this.url)
  }
}

class CodecsSink implements Sink {
  private decoder: VideoDecoder | null = null
  private waiting = true
  private walls = new Map<number, number>()

  constructor(private readonly canvas: HTMLCanvasElement, private readonly shown: (wall_ms: number) => void, private readonly broken: (why: string) => void) {}

  init(init: Init): boolean {
    if (typeof VideoDecoder === 'undefined' || !init.description) return false
    this.decoder?.close()
    this.walls.clear()
    this.waiting = true
    this.canvas.width = init.w
    this.canvas.height = init.h
    const context = this.canvas.getContext('2d', { desynchronized: true })!
    this.decoder = new VideoDecoder({
      output: (frame) => {
        context.drawImage(frame, 0, 0)
        const wall = this.walls.get(frame.timestamp)
        this.walls.delete(frame.timestamp)
        frame.close()
        if (wall !== undefined) this.shown(wall)
      },
      error: () => this.broken('decode'),
    })
    try {
      this.decoder.configure({ codec: init.codec, description: Uint8Array.from(atob(init.description), (c) => c.charCodeAt(0)), optimizeForLatency: true })
    } catch {
      return false
    }
    return true
  }

  fragment(message: ArrayBuffer): void {
    const { wall_ms, key } = header(message)
    for (const [n, sample] of samples(message).entries()) {
      const first = n === 0 ? key : sample.key
      if (!this.decoder || this.decoder.state !== 'configured' || (this.waiting && !first)) continue
      if (this.decoder.decodeQueueSize > 30 && !first) {
        this.waiting = true
        continue
      }
      this.waiting = false
      const timestamp = Math.round(sample.time_s * 1e6)
      if (this.walls.size > 200) this.walls.clear()
      this.walls.set(timestamp, wall_ms)
      this.decoder.decode(new EncodedVideoChunk({ type: first ? 'key' : 'delta', timestamp, data: sample.data }))
    }
  }

  close(): void {
    if (this.decoder && this.decoder.state !== 'closed') this.decoder.close()
  }
}

/** Play until the returned function is called; `told` hears of every change and of each picture's age, at most five times a second. */
export function play(video: HTMLVideoElement, canvas: HTMLCanvasElement, options: PlayOptions, told: (now: Told) => void): () => void {
  const now = options.now ?? Date.now
  const is: Told = { state: 'connecting', reason: '', latency_ms: null, wall_ms: 0, skew_ms: 0, transcoded: false, sound: '', note: '', live_at: null }
  let fastest_ms = Infinity
  let noted: ReturnType<typeof setTimeout> | undefined
  let socket: WebSocket | null = null
  let sink: Sink | null = null
  let stopped = false
  let attempt = 0
  let quality: string | undefined = options.quality
  let patience: ReturnType<typeof setTimeout> | undefined
  let heard = performance.now()
  let alive = performance.now()
  let dialled = performance.now()
  let said = 0
  let retry: ReturnType<typeof setTimeout> | undefined

  const say = (change: Partial<Told>, force = true): void => {
    Object.assign(is, change)
    const at = performance.now()
    if (!force && at - said < 200) return
    said = at
    told({ ...is })
  }
  const shown = (wall_ms: number): void => {
    heard = performance.now()
    const skew_ms = skewOf(fastest_ms)
    const latency = now() - wall_ms - skew_ms
    const first = is.live_at === null && latency < 1000
    say({ state: 'live', reason: '', wall_ms, skew_ms, latency_ms: latency, ...(first ? { live_at: Date.now() } : {}) }, first || is.state !== 'live')
  }
  const shut = (): void => {
    sink?.close()
    sink = null
    socket?.close()
    socket = null
  }
  const again = (reason: string): void => {
    shut()
    if (stopped) return
    if (FINAL.has(reason)) return say({ state: 'ended', reason })
    say({ state: is.wall_ms ? 'stalled' : 'connecting', reason })
    clearTimeout(retry)
    retry = setTimeout(connect, Math.min(8000, 300 * 2 ** attempt++))
  }
  const message = (data: ArrayBuffer): void => {
    const { kind, wall_ms, cached } = header(data)
    if (kind === 3 && !cached) {
      const took_ms = now() - wall_ms
      fastest_ms = Math.min(fastest_ms, took_ms)
      if (took_ms - fastest_ms > BEHIND_MS && performance.now() - dialled > PATIENCE_MS) {
        note('slow_line')
        return again('too_slow')
      }
    }
    if (kind === 2) {
      const words = readInit(data)
      if (!sink?.init(words.init, words.segment)) {
        if (quality === 'h264') {
          shut() // nothing is sent to whoever cannot show it
          return say({ state: 'unsupported', reason: words.init.codec })
        }
        clearTimeout(patience)
        if (quality !== 'sub' || words.init.quality !== 'main') return transcode()
        patience = setTimeout(transcode, SUB_MS)
        return
      }
      clearTimeout(patience)
      say({ transcoded: !!words.init.transcoded, sound: words.init.dropped_audio ?? '' })
    } else if (kind === 3) {
      sink?.fragment(data)
    }
  }
  /** This browser has no decoder for it: ask for an explicit, counted transcode. */
  function transcode(): void {
    quality = 'h264'
    attempt = 0
    again('unsupported_codec')
  }
  /** A text of the hub: the first says hello, the others why pictures are left out. */
  function words(text: string): void {
    const { type, code } = JSON.parse(text) as { type: string; code?: string }
    if (type === 'note' && code) note(code)
  }
  function note(code: string): void {
    clearTimeout(noted)
    say({ note: code })
    noted = setTimeout(() => say({ note: '' }), NOTE_MS)
  }
  function connect(): void {
    clearTimeout(retry)
    fastest_ms = Infinity
    alive = dialled = performance.now()
    sink ??= options.lowLatency && typeof VideoDecoder !== 'undefined' ? new CodecsSink(canvas, shown, again) : new MseSink(video, shown, again)
    const mine = (socket = backend.dial(options.id, { quality, fragment_s: options.fragment_s, reason: options.reason }))
    mine.onmessage = (event: MessageEvent) => {
      if (mine !== socket) return
      alive = performance.now()
      if (typeof event.data === 'string') return words(event.data)
      attempt = 0
      message(event.data as ArrayBuffer)
    }
    mine.onclose = (event) => mine === socket && again(event.reason || 'lost')
  }
  const watch = setInterval(() => {
    if (is.state === 'live' && performance.now() - heard > STALLED_MS) say({ state: 'stalled', reason: 'silent' })
    if (socket && performance.now() - alive > DEAD_MS) again('lost')
  }, 500)
  /** The machine has its network back, or somebody looks at the page again: what waits to dial need not wait longer. */
  const wake = (): void => {
    if (stopped || socket || document.hidden || is.state === 'ended' || is.state === 'unsupported') return
    attempt = 0
    connect()
  }
  globalThis.addEventListener('online', wake)
  document.addEventListener('visibilitychange', wake)
  connect()
  return () => {
    stopped = true
    clearInterval(watch)
    globalThis.removeEventListener('online', wake)
    document.removeEventListener('visibilitychange', wake)
    clearTimeout(retry)
    clearTimeout(noted)
    clearTimeout(patience)
    again('left')
  }
}
