import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PretendHub } from '../../tests/hub'
import { openLive, SILENCE_MS, wait_ms, type Line } from './live'
import type { Frame } from './types'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function follow(hub: PretendHub, after: () => number | null = () => null) {
  const frames: Frame[] = []
  const lines: Line[] = []
  const stop = openLive({ after, frame: (frame) => frames.push(frame), line: (line) => lines.push(line) }, hub.dial)
  return { frames, lines, stop }
}

describe('the live feed', () => {
  it('says hello first and delivers changes as they happen', async () => {
    const hub = new PretendHub()
    const { frames, lines, stop } = follow(hub)
    await vi.advanceTimersByTimeAsync(0)
    hub.open('甲')
    expect(lines).toEqual(['connecting', 'open'])
    expect(frames.map((frame) => frame.type)).toEqual(['hello', 'changes', 'changes'])
    stop()
  })

  it('takes a silent line for dead, dials again and asks for what came after the last number', async () => {
    const hub = new PretendHub()
    const { lines, frames, stop } = follow(hub, () => 100)
    await vi.advanceTimersByTimeAsync(0)
    hub.open('甲')
    await vi.advanceTimersByTimeAsync(SILENCE_MS + 10_000)
    expect(lines).toContain('waiting')
    expect(frames.filter((frame) => frame.type === 'hello').length).toBeGreaterThan(1)
    expect(frames.at(-1)).toMatchObject({ type: 'changes' })
    stop()
  })

  it('waits longer each time, never beyond eight seconds, and never the same for everybody', () => {
    expect(wait_ms(0, () => 0)).toBe(200)
    expect(wait_ms(0, () => 1)).toBe(400)
    expect(wait_ms(3, () => 1)).toBe(3200)
    expect(wait_ms(30, () => 1)).toBe(8000)
    expect(wait_ms(30, () => 0)).toBe(4000)
  })

  it('does not come back once it was stopped', async () => {
    const hub = new PretendHub()
    const { lines, stop } = follow(hub)
    await vi.advanceTimersByTimeAsync(0)
    stop()
    const seen = lines.length
    await vi.advanceTimersByTimeAsync(60_000)
    expect(lines.length).toBe(seen)
  })
})
