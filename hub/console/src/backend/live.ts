// The live feed: one WebSocket that comes back by itself. It delivers frames and the state of the line, and knows nothing of what they mean.
import type { Frame } from './types'

export type Line = 'connecting' | 'open' | 'waiting'

export interface LiveEvents {
  /** The sequence to resume after; null asks for changes from now on. */
  after: () => number | null
  frame: (frame: Frame) => void
  line: (line: Line) => void
}

export interface Socket {
  onopen: ((event: never) => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  close(): void
}

export type Dial = (address: string) => Socket

/** Nothing heard for this long (the hub's heartbeat is every 2 s): the line is dead, whatever the browser believes. */
export const SILENCE_MS = 6_000
const FIRST_WAIT_MS = 400
const LONGEST_WAIT_MS = 8_000

/** How long to wait before the nth try: doubled each time, capped, with jitter so that a hundred consoles do not come back at once. */
export function wait_ms(attempt: number, random: () => number = Math.random): number {
  const base = Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS)
  return base / 2 + (base / 2) * random()
}

function socketAddress(after: number | null): string {
  const { protocol, host } = globalThis.location
  const query = after === null ? '' : `?after=${after}`
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/api/v1/live${query}`
}

/** Keep the live feed open until the returned function is called. */
export function openLive(events: LiveEvents, dial: Dial = (address) => new WebSocket(address) as unknown as Socket): () => void {
  let socket: Socket | null = null
  let attempt = 0
  let stopped = false
  let retry: ReturnType<typeof setTimeout> | undefined
  let silence: ReturnType<typeof setTimeout> | undefined

  function heard(): void {
    clearTimeout(silence)
    silence = setTimeout(lost, SILENCE_MS)
  }

  function lost(): void {
    clearTimeout(silence)
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null
      socket.close()
      socket = null
    }
    if (stopped) return
    events.line('waiting')
    clearTimeout(retry)
    retry = setTimeout(connect, wait_ms(attempt++))
  }

  function connect(): void {
    events.line('connecting')
    try {
      socket = dial(socketAddress(events.after()))
    } catch {
      lost()
      return
    }
    heard()
    socket.onopen = () => events.line('open')
    socket.onmessage = (message) => {
      heard()
      const frame = JSON.parse(String(message.data)) as Frame
      if (frame.type === 'hello') attempt = 0
      events.frame(frame)
    }
    socket.onclose = lost
    socket.onerror = lost
  }

  connect()
  return () => {
    stopped = true
    clearTimeout(retry)
    lost()
  }
}
