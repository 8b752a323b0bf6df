// The agent's messages as bytes: 14-byte header, init (JSON, zero byte, segment), fragments of fragmented MP4. Reads only; no I/O.
export interface Header { kind: number; key: boolean; cached: boolean; preEvent: boolean; seq: number; wall_ms: number }
export interface Init { codec: string; w: number; h: number; audio?: string | null; description?: string | null; transcoded?: string | null; dropped_audio?: string | null; quality?: string | null }
/** `time_s`: when it is shown; `decode_s`: when it is decoded (seconds of the agent's timeline). */
export interface Sample { key: boolean; data: Uint8Array; time_s: number; decode_s: number }

export const HEADER = 14
export const TICKS = 90_000

export function header(message: ArrayBuffer): Header {
  const view = new DataView(message)
  const flags = view.getUint8(1)
  return { kind: view.getUint8(0), key: (flags & 1) > 0, cached: (flags & 2) > 0, preEvent: (flags & 4) > 0, seq: view.getUint32(2), wall_ms: Number(view.getBigUint64(6)) }
}

/** The words of an init message and its segment. */
export function init(message: ArrayBuffer): { init: Init; segment: Uint8Array<ArrayBuffer> } {
  const body = new Uint8Array(message, HEADER)
  const end = body.indexOf(0)
  return { init: JSON.parse(new TextDecoder().decode(body.subarray(0, end))) as Init, segment: body.slice(end + 1) }
}

function* boxes(view: DataView, from: number, to: number): Generator<{ type: string; from: number; to: number }> {
  for (let at = from; at + 8 <= to;) {
    const size = view.getUint32(at)
    if (size < 8 || at + size > to) return
    yield { type: String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5), view.getUint8(at + 6), view.getUint8(at + 7)), from: at + 8, to: at + size }
    at += size
  }
}

/** The video samples (track 1) of a fragment message. */
export function samples(message: ArrayBuffer): Sample[] {
  const view = new DataView(message)
  const found: Sample[] = []
  let moof = HEADER
  for (const box of boxes(view, HEADER, message.byteLength)) {
    if (box.type !== 'moof') continue
    moof = box.from - 8
    for (const traf of boxes(view, box.from, box.to)) {
      if (traf.type === 'traf') found.push(...track(view, message, traf.from, traf.to, moof))
    }
  }
  return found
}

function track(view: DataView, message: ArrayBuffer, from: number, to: number, moof: number): Sample[] {
  let id = 0
  let time = 0
  const found: Sample[] = []
  for (const box of boxes(view, from, to)) {
    if (box.type === 'tfhd') id = view.getUint32(box.from + 4)
    if (box.type === 'tfdt') time = view.getUint8(box.from) === 1 ? Number(view.getBigUint64(box.from + 4)) : view.getUint32(box.from + 4)
    if (box.type !== 'trun' || id !== 1) continue
    const flags = view.getUint32(box.from) & 0xffffff
    const count = view.getUint32(box.from + 4)
    let at = box.from + 8
    let data = moof + (flags & 1 ? view.getInt32(at) : 0)
    at += (flags & 1 ? 4 : 0) + (flags & 4 ? 4 : 0)
    for (let n = 0; n < count; n++) {
      const next = (bit: number): number => {
        if (!(flags & bit)) return 0
        at += 4
        return view.getUint32(at - 4)
      }
      const [duration, size, mark] = [next(0x100), next(0x200), next(0x400)]
      const offset = flags & 0x800 ? view.getInt32(at) : 0
      at += flags & 0x800 ? 4 : 0
      found.push({ key: mark !== 0 ? (mark & 0x10000) === 0 : n === 0, data: new Uint8Array(message, data, size), time_s: (time + offset) / TICKS, decode_s: time / TICKS })
      time += duration
      data += size
    }
  }
  return found
}
