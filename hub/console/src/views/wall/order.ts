// Which cameras stand on the wall, and in how many columns. Pure.

export interface Hanging { id: string; name: string; health?: string | null }
export interface Wanted { size: number; pinned: string[]; auto: string[]; first: string | null; words: string; unwell: boolean }

/** What is wrong with a picture: nothing is while it is online or has only just been called. */
export const isUnwell = (camera: Hanging): boolean => camera.health !== 'online'

/**
 * The ids on the wall: the pinned ones keep their places before anything else, then the one that was asked for, then what opens by itself,
 * then the rest by id. Words and the wish for impaired ones narrow the rest alone: a pinned tile is never displaced and never filtered away.
 */
export function orderOf(cameras: Hanging[], wanted: Wanted): string[] {
  const known = new Map(cameras.map((camera) => [camera.id, camera]))
  const words = wanted.words.trim().toLowerCase()
  const fits = (camera: Hanging): boolean => (!words || `${camera.name} ${camera.id}`.toLowerCase().includes(words)) && (!wanted.unwell || isUnwell(camera))
  const rest = [...known.values()].filter(fits).map((camera) => camera.id).sort()
  const ahead = [...wanted.pinned, ...(wanted.first ? [wanted.first] : []), ...(words || wanted.unwell ? [] : wanted.auto)].filter((id) => known.has(id))
  return [...new Set([...ahead, ...rest])].slice(0, Math.max(wanted.size, wanted.pinned.filter((id) => known.has(id)).length))
}

/** Columns of a wall: no more than are filled, so that eight cameras on a wall for sixteen are not half of it dark. */
export function columnsOf(shown: number, size: number): number {
  return Math.max(1, Math.ceil(Math.sqrt(Math.min(Math.max(shown, 1), Math.max(size, shown)))))
}
