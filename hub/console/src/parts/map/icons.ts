// The symbols drawn into images for MapLibre: the same paths that the outline and the legend use, with a rim so that they stand out on tiles as well.
import { SYMBOLS, type Symbol } from './layers'

const SIZE = 24
const PAD = 4
const RATIO = 2

export function colour(token: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${token}`).trim()
}

/** The image that a name like `camera|ok` stands for; null for a name that is none of ours. */
export function iconOf(name: string): { image: ImageData; ratio: number } | null {
  const [symbol, tone] = name.split('|') as [Symbol, string]
  if (!(symbol in SYMBOLS)) return null
  const side = (SIZE + 2 * PAD) * RATIO
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = side
  const pen = canvas.getContext('2d')
  if (!pen) return null
  pen.scale(RATIO, RATIO)
  pen.translate(PAD, PAD)
  const path = new Path2D(SYMBOLS[symbol])
  pen.lineJoin = 'round'
  pen.lineWidth = 4
  pen.strokeStyle = colour('bg')
  pen.stroke(path)
  pen.fillStyle = colour(tone)
  pen.fill(path)
  return { image: pen.getImageData(0, 0, side, side), ratio: RATIO }
}
