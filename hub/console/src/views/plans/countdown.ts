// How long until something is due, in the few characters that a list has for it.
export const OPEN = new Set(['open', 'returned'])
const SOON_MS = 5 * 60_000

/** `12:05` until due, `+3:10` since it was due, `2 d` beyond two days. */
export function countdown(due_at: string, now: number): string {
  const left_s = Math.round((Date.parse(due_at) - now) / 1000)
  const size = Math.abs(left_s)
  const sign = left_s < 0 ? '+' : ''
  if (size >= 172_800) return `${sign}${Math.floor(size / 86_400)} d`
  const [h, m, s] = [Math.floor(size / 3600), Math.floor((size % 3600) / 60), size % 60]
  return sign + (h ? `${h}:${String(m).padStart(2, '0')}:` : `${m}:`) + String(s).padStart(2, '0')
}

export function urgency(task: { state: string; due_at: string }, now: number): 'done' | 'late' | 'soon' | '' {
  if (!OPEN.has(task.state)) return 'done'
  const left = Date.parse(task.due_at) - now
  return left < 0 ? 'late' : left < SOON_MS ? 'soon' : ''
}
