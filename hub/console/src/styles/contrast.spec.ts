import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const css = readFileSync('src/styles/base.css', 'utf-8')

function tokens(selector: string): Record<string, string> {
  const at = css.indexOf(selector)
  return Object.fromEntries([...css.slice(at, css.indexOf('}', at)).matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)].map((match) => [match[1]!, match[2]!]))
}

function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

/** WCAG 2.2, 1.4.3: (lighter + 0.05) / (darker + 0.05). */
function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number]
  return (light + 0.05) / (dark + 0.05)
}

const PAIRS = [
  ...['text', 'soft', 'muted', 'accent', 'alarm-text', 'warn', 'ok', 'drill', 'grade-1', 'grade-2', 'grade-3', 'grade-4'].flatMap((ink) =>
    ['bg', 'panel', 'raised'].map((paper) => [ink, paper] as const)),
  ['on-alarm', 'alarm'], ['on-accent', 'accent'], ['text', 'alarm-soft'], ['text', 'warn-soft'], ['text', 'ok-soft'], ['map-text', 'land'], ['alarm-text', 'alarm-soft'],
] as const

describe.each([['day', ':root {'], ['night', 'html.dark {']])('the colours of %s', (_, selector) => {
  it('can be read: 4.5 to 1 for every text on every ground it stands on', () => {
    const colour = tokens(selector)
    const faint = PAIRS.map(([ink, paper]) => [ink, paper, contrast(colour[ink]!, colour[paper]!)] as const).filter(([, , ratio]) => !(ratio >= 4.5))
    expect(faint).toEqual([])
  })
})
