// SHA-256 of a file. The browser's own where it is offered; on a plain http address it is not, and then this one (FIPS 180-4).

const K = new Uint32Array(64)
const START = new Uint32Array(8)
/** The first 32 bits of the fractional parts of square and cube roots of the first primes, as the standard defines its constants. */
function constants(): void {
  const fraction = (x: number): number => ((x - Math.floor(x)) * 2 ** 32) | 0
  let found = 0
  for (let n = 2; found < 64; n += 1) {
    let prime = true
    for (let d = 2; d * d <= n; d += 1) if (n % d === 0) prime = false
    if (!prime) continue
    if (found < 8) START[found] = fraction(Math.sqrt(n))
    K[found] = fraction(Math.cbrt(n))
    found += 1
  }
}
constants()

const turn = (x: number, n: number): number => (x >>> n) | (x << (32 - n))

function block(state: Uint32Array, view: DataView, at: number, w: Int32Array): void {
  for (let t = 0; t < 16; t += 1) w[t] = view.getInt32(at + 4 * t)
  for (let t = 16; t < 64; t += 1) {
    const [a, b] = [w[t - 15]!, w[t - 2]!]
    w[t] = (w[t - 16]! + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + w[t - 7]! + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10))) | 0
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number]
  for (let t = 0; t < 64; t += 1) {
    const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[t]! + w[t]!) | 0
    const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
    ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0]
  }
  for (const [n, one] of [a, b, c, d, e, f, g, h].entries()) state[n] = (state[n]! + one) | 0
}

/** The digest of bytes, in this file's own arithmetic. */
export function digest(bytes: Uint8Array): string {
  const padded = new Uint8Array(((bytes.length + 72) >> 6) << 6)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29))
  view.setUint32(padded.length - 4, (bytes.length << 3) >>> 0)
  const [state, w] = [START.slice(), new Int32Array(64)]
  for (let at = 0; at < padded.length; at += 64) block(state, view, at, w)
  return [...state].map((word) => word.toString(16).padStart(8, '0')).join('')
}

/** The digest of a file, as 64 hexadecimal digits. */
export async function sha256(file: Blob): Promise<string> {
  const bytes = await file.arrayBuffer()
  if (!globalThis.crypto?.subtle) return digest(new Uint8Array(bytes))
  return [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
