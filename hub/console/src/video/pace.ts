// Where playback should stand: as close behind the newest picture as the lateness of the latest ones allows. Times in (seconds), times out; no clock.

/** What is to be left to play when the next picture comes: the time that decoding and handing over take. */
export const MARGIN_S = 0.02
/** So long is remembered how late pictures came, and so many of them may be later: for one that is, playback stands still for a moment. */
export const REMEMBERED_S = 2
export const LATE_SHARE = 0.05
/** So far at most playback stays behind the pictures that came in time. */
export const MOST_BEHIND_S = 0.5
export const SEEK_S = 1.5

/** The speed at which to play so far behind where playback should stand; null asks for a jump. */
export function speed(behind_s: number): number | null {
  if (behind_s > SEEK_S) return null
  if (behind_s > 0.25) return 1.3
  return behind_s > 0.01 ? 1.1 : 1
}

export class Pace {
  /** How far each picture's time was before the steady clock when it came: the less, the later it was. */
  private arrivals: { at_s: number; ahead_s: number }[] = []

  /** A live picture is there that is to be shown at `time_s` of the media; `now_s`: a steady clock. */
  arrived(time_s: number, now_s: number): void {
    this.arrivals.push({ at_s: now_s, ahead_s: time_s - now_s })
    while (this.arrivals[0]!.at_s < now_s - REMEMBERED_S) this.arrivals.shift()
  }

  /** How far playback at `time_s` of the media is behind where it should stand; null while no live picture has come. */
  behind(time_s: number, now_s: number): number | null {
    if (!this.arrivals.length) return null
    const ahead = this.arrivals.map((one) => one.ahead_s).sort((a, b) => a - b)
    const at = (share: number): number => ahead[Math.floor(share * (ahead.length - 1))]!
    return Math.max(at(LATE_SHARE), at(0.5) - MOST_BEHIND_S) + now_s - MARGIN_S - time_s
  }
}
