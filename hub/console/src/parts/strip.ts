// Where the rows of a long list stand, when only those in sight are drawn: measured where they have been seen, estimated otherwise. Pure.

/** A row's place: `key` changes when its height may have changed with it. */
export interface Laid {
  id: string
  key: string
  estimate_px: number
}

export interface Span {
  first: number
  end: number
}

/** A row and how far it is scrolled out of sight: what must stay where it is when rows come in above. */
export interface Anchor {
  id: string
  above_px: number
}

export class Strip {
  private heights = new Map<string, number>()
  private rows: readonly Laid[] = []
  private tops: number[] = [0]
  private index = new Map<string, number>()

  /** Lay these rows one below the other. */
  lay(rows: readonly Laid[]): void {
    this.rows = rows
    this.index = new Map(rows.map((row, n) => [row.id, n]))
    if (this.heights.size > 2 * rows.length + 200) this.forgetGone()
    this.stack()
  }

  /** Take over heights as they were measured, by key; says whether any differs from what was known. */
  measured(heights: ReadonlyMap<string, number>): boolean {
    let changed = false
    for (const [key, px] of heights) {
      if (px > 0 && this.heights.get(key) !== px) {
        this.heights.set(key, px)
        changed = true
      }
    }
    if (changed) this.stack()
    return changed
  }

  /** Another width: every height may be another. */
  forget(): void {
    this.heights.clear()
    this.stack()
  }

  get height_px(): number {
    return this.tops.at(-1)!
  }

  top(n: number): number {
    return this.tops[n] ?? this.height_px
  }

  indexOf(id: string): number {
    return this.index.get(id) ?? -1
  }

  /** The row at this height; the last one below the end. */
  at(px: number): number {
    let [low, high] = [0, Math.max(0, this.rows.length - 1)]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.tops[middle]! <= px) low = middle
      else high = middle - 1
    }
    return low
  }

  /** The rows to draw for a view of `view_px` from `scrolled_px`, with `beyond_px` more on either side. */
  span(scrolled_px: number, view_px: number, beyond_px: number): Span {
    if (!this.rows.length) return { first: 0, end: 0 }
    return { first: this.at(Math.max(0, scrolled_px - beyond_px)), end: this.at(scrolled_px + view_px + beyond_px) + 1 }
  }

  /** What stands at the upper edge; null at the top, where new rows are to be seen. */
  anchor(scrolled_px: number): Anchor | null {
    const row = scrolled_px > 0 ? this.rows[this.at(scrolled_px)] : undefined
    return row ? { id: row.id, above_px: scrolled_px - this.top(this.indexOf(row.id)) } : null
  }

  /** This row as the anchor, as long as any of it is in sight. */
  anchorAt(id: string, scrolled_px: number, view_px: number): Anchor | null {
    const n = this.indexOf(id)
    if (n < 0 || this.top(n + 1) <= scrolled_px || this.top(n) >= scrolled_px + view_px) return null
    return { id, above_px: scrolled_px - this.top(n) }
  }

  /** Where to scroll so that the anchor is where it was; null where it is gone. */
  back(anchor: Anchor): number | null {
    const n = this.indexOf(anchor.id)
    return n < 0 ? null : this.top(n) + anchor.above_px
  }

  private stack(): void {
    const tops = new Array<number>(this.rows.length + 1)
    tops[0] = 0
    this.rows.forEach((row, n) => (tops[n + 1] = tops[n]! + (this.heights.get(row.key) ?? row.estimate_px)))
    this.tops = tops
  }

  private forgetGone(): void {
    const keys = new Set(this.rows.map((row) => row.key))
    for (const key of this.heights.keys()) if (!keys.has(key)) this.heights.delete(key)
  }
}
