import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { half, i18n, messages } from '.'

function keys(tree: unknown, path = ''): string[] {
  if (typeof tree === 'string') return [path]
  return Object.entries(tree as object).flatMap(([name, value]) => keys(value, path ? `${path}.${name}` : name))
}

function lookup(tree: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], tree)
}

const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort()
const sources = (readdirSync('src', { recursive: true }) as string[]).filter((name) => /\.(vue|ts)$/.test(name) && !name.endsWith('.spec.ts'))

describe('Chinese and English', () => {
  const [zh, en] = [messages('zh'), messages('en')]

  it('say the same things', () => {
    expect(keys(en).sort()).toEqual(keys(zh).sort())
  })

  it('leave nothing unsaid, and take the same values', () => {
    for (const key of keys(zh)) {
      const [one, other] = [lookup(zh, key), lookup(en, key)] as [string, string]
      expect(one.trim() && other.trim(), key).toBeTruthy()
      for (const form of other.split(' | ')) expect(holes(form), key).toEqual(holes(one))
    }
  })

  it('count one and many in English', () => {
    const { t: say } = i18n.global as unknown as { t: (key: string, named: object, options: object) => string }
    const said = (count: number): string => say('groups.members', { count }, { locale: 'en' })
    expect([0, 1, 2].map(said)).toEqual(['0 departments', '1 department', '2 departments'])
    expect(say('groups.members', { count: 1 }, { locale: 'zh' })).toContain('1')
  })

  it('share a text that the hub keeps in both', () => {
    expect([half('超时 / timed out / again', 'zh'), half('超时 / timed out / again', 'en')]).toEqual(['超时', 'timed out / again'])
    expect([half('HTTP 403', 'zh'), half('HTTP 403', 'en'), half(null, 'en')]).toEqual(['HTTP 403', 'HTTP 403', ''])
    expect([half('水泵 / 软管不足', 'zh'), half('pump / hose missing', 'en'), half('pump / hose missing', 'zh')]).toEqual(['水泵 / 软管不足', 'pump / hose missing', 'pump / hose missing'])
  })

  it('know every word that the screens ask for by its full name', () => {
    const wanted = sources.flatMap((name) => {
      const text = readFileSync(join('src', name), 'utf-8')
      const called = [...text.matchAll(/\bt\(\s*'([a-z][\w.-]*\.[\w.-]+)'/gi)].map((match) => match[1]!)
      const named = [...text.matchAll(/(?:label|title): '((?:nav|report|incident|session)\.[\w.]+)'/g)].map((match) => match[1]!)
      return [...called, ...named].map((key) => [name, key] as const)
    })
    expect(wanted.length).toBeGreaterThan(100)
    expect(wanted.filter(([, key]) => typeof lookup(zh, key) !== 'string')).toEqual([])
  })

  it('hold no word that no screen asks for, by its full name or by a name put together', () => {
    const said = sources.map((name) => readFileSync(join('src', name), 'utf-8')).join('\n')
    const begun = new Set([...said.matchAll(/([a-z]\w*(?:\.\w+)*\.)\$\{/gi)].map((match) => match[1]!))
    const asked = (key: string): boolean => said.includes(key) || key.split('.').some((_, n, parts) => n > 0 && begun.has(`${parts.slice(0, n).join('.')}.`))
    expect(keys(zh).filter((key) => !asked(key))).toEqual([])
  })
})
