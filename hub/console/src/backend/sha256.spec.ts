import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { digest } from './sha256'

describe('SHA-256 without the help of the browser', () => {
  it('agrees with an independent one at every length around a block', () => {
    for (const length of [0, 1, 3, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1_000, 70_001]) {
      const bytes = Uint8Array.from({ length }, (_, n) => (n * 31 + length) & 0xff)
      expect(digest(bytes), String(length)).toBe(createHash('sha256').update(bytes).digest('hex'))
    }
  })

  it('gives the standard its own example', () => {
    expect(digest(new TextEncoder().encode('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })
})
