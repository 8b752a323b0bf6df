// The pace at which the screen is told of what has come: at once in quiet hours, once a breath in a flood, never more than once for a drawn picture.
/** How often a list may move in a flood (our own choice): nobody reads faster, and drawing more often would cost the machine what receiving needs. */
export const BREATH_MS = 60
/** A window that is covered is given no pictures to draw; its title and its bell must go on all the same. */
const UNDRAWN_MS = 250

export interface Pace {
  /** Tell soon: now where the last time is a breath ago, otherwise with the next picture after that. */
  soon: () => void
  /** Tell now: for what the person at this screen has done. */
  now: () => void
}

/** Gather calls of `soon` into few calls of `tell`. */
export function paced(tell: () => void, breath_ms = BREATH_MS): Pace {
  let last = -Infinity
  let waiting = false
  let picture = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  function now(): void {
    clearTimeout(timer)
    cancelAnimationFrame(picture)
    waiting = false
    last = performance.now()
    tell()
  }

  function breathed(): void {
    picture = requestAnimationFrame(now)
    timer = setTimeout(now, UNDRAWN_MS)
  }

  function soon(): void {
    if (waiting) return
    const left_ms = last + breath_ms - performance.now()
    if (left_ms <= 0) return now()
    waiting = true
    timer = setTimeout(breathed, left_ms)
  }

  return { soon, now }
}
