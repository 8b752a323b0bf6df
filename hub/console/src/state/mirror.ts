// A copy of something the hub keeps: a snapshot, then the changes that came after it. Knows the order, not the contents; does no I/O itself.
import type { Change } from '@/backend/types'

/** Changes kept while a snapshot is under way. More than this and the snapshot is taken again, since it is old by then. */
export const QUEUE_LIMIT = 5_000

/** What the live feed needs of a mirror, whatever it mirrors. */
export interface Followed {
  readonly ready: boolean
  offer(change: Change): void
  reload(): Promise<void>
}

export interface Snapshot<T> {
  seq: number
  data: T
}

export interface MirrorParts<T> {
  /** Fetch the whole of it, with the sequence number it stands for. */
  load: () => Promise<Snapshot<T>>
  /** Put a snapshot in place of whatever was there. */
  place: (data: T) => void
  /** Apply one change, newer than everything before it. */
  apply: (change: Change) => void
  /** Let go of all that was placed: what one person was shown is not the next one's. */
  empty?: () => void
}

/**
 * Keep a copy in step: while a snapshot loads, changes wait in a queue; afterwards only those newer than the snapshot are applied,
 * each once and in order. Offer it every change of the live feed from before `reload` is called.
 */
export class Mirror<T> implements Followed {
  seq = -1
  private queue: Change[] = []
  private loading: Promise<void> | null = null
  private again = false
  private generation = 0

  constructor(private readonly parts: MirrorParts<T>) {}

  get ready(): boolean {
    return this.seq >= 0
  }

  offer(change: Change): void {
    if (this.loading || !this.ready) {
      this.queue.push(change)
      if (this.queue.length > QUEUE_LIMIT) {
        this.queue = []
        this.again = this.loading !== null
      }
      return
    }
    this.step(change)
  }

  /** Take a fresh snapshot. Rejects as `load` does; the copy then stays as it was and the queue is applied to it. */
  async reload(): Promise<void> {
    if (this.loading) {
      this.again = true
      return this.loading
    }
    this.loading = this.run(++this.generation)
    return this.loading
  }

  /** Know nothing any more; a snapshot under way is not placed when it comes. */
  forget(): void {
    this.generation++
    this.loading = null
    this.again = false
    this.queue = []
    this.seq = -1
    this.parts.empty?.()
  }

  private async run(generation: number): Promise<void> {
    try {
      do {
        this.again = false
        const snapshot = await this.parts.load()
        if (generation !== this.generation) return
        if (this.again) continue
        this.parts.place(snapshot.data)
        this.seq = snapshot.seq
      } while (this.again)
    } finally {
      if (generation === this.generation) {
        this.loading = null
        if (this.ready) this.drain()
      }
    }
  }

  private drain(): void {
    const waiting = this.queue.sort((a, b) => a.seq - b.seq)
    this.queue = []
    waiting.forEach((change) => this.step(change))
  }

  private step(change: Change): void {
    if (change.seq <= this.seq) return
    this.parts.apply(change)
    this.seq = change.seq
  }
}
