// The live feed as state: the line, the age of what is on the screen, the hub's parts; hands every change to the mirrors.
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { openLive, Refused, type Line } from '@/backend'
import type { Dial } from '@/backend/live'
import type { Change, Frame, PartState } from '@/backend/types'
import { isRoutine } from '@/parts/changes'
import { useClock } from './clock'
import type { Followed } from './mirror'
import { paced } from './pace'

/** Heartbeats come every 2 s; after two are missing, what is on the screen is called stale (within 5 s of the break). */
export const STALE_AFTER_MS = 4_000
/** Where the line is known to be closed nobody needs to wait for that; a reconnect within this time is not worth a word. */
export const BROKEN_AFTER_MS = 1_500
const RECENT = 40
/** How often the last changes are shown anew in a flood (our own choice): they are read, not watched. */
const RECENT_BREATH_MS = 1000
const REFILL_MS = 3_000
/** How long a page waits for the line before it reads without it: a proxy may stop sockets and let requests through. */
const PATIENCE_MS = 1_500

/** Whether a part of the hub does what it should. */
export const isWell = (part: PartState): boolean => part.state === 'ok'

export const useLive = defineStore('live', () => {
  const clock = useClock()
  const line = ref<Line>('connecting')
  const seq = ref<number | null>(null)
  const heard_at = ref<number | null>(null)
  const parts = ref<Record<string, PartState>>({})
  const dropped = ref<string | null>(null)
  /** When it showed that the hub goes on from a restored backup, until somebody has read so. */
  const restored = ref<string | null>(null)
  let hash: string | null = null
  const recent = shallowRef<Change[]>([])
  let latest: Change[] = []
  const showRecent = paced(() => (recent.value = latest), RECENT_BREATH_MS)
  const mirrors = new Set<Followed>()
  const listeners = new Set<(change: Change) => void>()
  let close: (() => void) | null = null
  let fresh = true

  const age_ms = computed(() => (heard_at.value === null ? null : Math.max(0, clock.now - clock.offset_ms - heard_at.value)))
  const stale = computed(() => age_ms.value === null ? line.value === 'waiting' : age_ms.value > (line.value === 'open' ? STALE_AFTER_MS : BROKEN_AFTER_MS))
  const stale_since = computed(() => (heard_at.value === null ? null : new Date(heard_at.value + clock.offset_ms).toISOString()))
  const degraded = computed(() => Object.entries(parts.value).filter(([, part]) => !isWell(part)))

  function changed(change: Change): void {
    seq.value = Math.max(seq.value ?? 0, change.seq)
    hash = null
    mirrors.forEach((mirror) => mirror.offer(change))
    listeners.forEach((listener) => listener(change))
  }

  /** A stretch of the feed, oldest first. */
  function arrived(changes: Change[]): void {
    changes.forEach(changed)
    latest = [...changes.filter((change) => !isRoutine(change)).slice(-RECENT).reverse(), ...latest].slice(0, RECENT)
    showRecent.soon()
  }

  /** The feed has gone on, though nothing of it was for us: resume from there. `at_hash` is the chain's there. */
  function reached(at: number | undefined, at_hash: string | undefined): void {
    if (at === undefined || fresh || at < (seq.value ?? 0)) return
    seq.value = at
    hash = at_hash ?? null
  }

  function frame(message: Frame): void {
    heard_at.value = Date.now()
    switch (message.type) {
      case 'hello':
        clock.set(message.now)
        dropped.value = null
        greet(message.seq, message.after ?? message.seq, message.hash ?? null)
        break
      case 'changes':
        arrived(message.items)
        reached(message.seq, message.hash)
        break
      case 'status':
        clock.set(message.now)
        parts.value = message.parts
        reached(message.seq, message.hash)
        break
      case 'dropped':
        dropped.value = message.reason
        fresh = true
        break
    }
  }

  /** At the first hello, after a drop, and when the hub stands before what we have seen or has another change at its place (a restored backup,
   *  which may have gone beyond it since): all snapshots anew. */
  function greet(hub_seq: number, after: number, after_hash: string | null): void {
    const elsewhere = seq.value !== null && (hub_seq < seq.value || (after === seq.value && hash !== null && after_hash !== null && after_hash !== hash))
    if (elsewhere && !fresh) {
      restored.value = new Date(Date.now() + clock.offset_ms).toISOString()
      fresh = true
    }
    if (fresh) {
      seq.value = hub_seq
      hash = null
    }
    if (after === seq.value) hash = after_hash
    const again = fresh
    fresh = false
    mirrors.forEach((mirror) => {
      if (again || !mirror.ready) refill(mirror)
    })
  }

  /** Take a snapshot; where nothing answers, try again as long as anybody follows. */
  function refill(mirror: Followed, failed?: (error: unknown) => void): void {
    mirror.reload().catch((error: unknown) => {
      failed?.(error)
      if (!(error instanceof Refused)) setTimeout(() => mirrors.has(mirror) && !mirror.ready && refill(mirror, failed), REFILL_MS)
    })
  }

  function start(dial?: Dial): void {
    close ??= openLive({ after: () => (fresh ? null : seq.value), frame, line: (state) => (line.value = state) }, dial)
  }

  function stop(): void {
    close?.()
    close = null
    fresh = true
    seq.value = null
    hash = null
    restored.value = null
    heard_at.value = null
    latest = []
    showRecent.now()
  }

  /** Keep a mirror in step from now on, beginning with a snapshot; call the returned function to let go. */
  function follow(mirror: Followed, failed?: (error: unknown) => void): () => void {
    mirrors.add(mirror)
    if (close && !fresh) refill(mirror, failed)
    else if (close) setTimeout(() => mirrors.has(mirror) && !mirror.ready && refill(mirror, failed), PATIENCE_MS)
    return () => mirrors.delete(mirror)
  }

  function listen(listener: (change: Change) => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  return { line, seq, heard_at, parts, dropped, restored, recent, age_ms, stale, stale_since, degraded, start, stop, follow, listen }
})
