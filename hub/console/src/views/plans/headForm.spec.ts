import { expect, it } from 'vitest'
import { HEAD_FIELDS, readHead, writeHead, type HeadField } from './headForm'

const TEXT = "# 🚒 remark\nid: fire\nversion: 2 # a number\ntitle: {zh: 火灾, en: 'Fire, large'}\nvalid_from: '2026-01-01'   # first\ntasks: []\n"
const points = (before: string): number => [...TEXT.slice(0, TEXT.indexOf(before))].length
const at = (value: string): [number, number] => [points(value), points(value) + [...value].length]
const spans = { id: at('fire\n').map((n, i) => n - i) as [number, number], version: at('2 #').map((n, i) => n - 2 * i) as [number, number], 'title.zh': at('火灾'), 'title.en': at("'Fire, large'"), valid_from: at("'2026-01-01'") }
const field = (path: string): HeadField => HEAD_FIELDS.find((one) => one.path === path)!

it('reads plain and quoted values, beyond characters of two units too', () => {
  expect(['id', 'version', 'title.zh', 'title.en', 'valid_from', 'valid_until'].map((path) => readHead(TEXT, spans, path))).toEqual(['fire', '2', '火灾', 'Fire, large', '2026-01-01', null])
})

it('changes one value and nothing else, quoting what YAML would misread', () => {
  expect(writeHead(TEXT, spans, field('title.en'), "It's: fire")).toBe(TEXT.replace("'Fire, large'", "'It''s: fire'"))
  expect(writeHead(TEXT, spans, field('version'), '3')).toBe(TEXT.replace('version: 2', 'version: 3'))
  expect(writeHead(TEXT, spans, field('title.zh'), '森林火灾')).toBe(TEXT.replace('火灾', '森林火灾'))
})

it('gives an optional field a line of its own, and leaves the text where nothing is to be written', () => {
  expect(writeHead(TEXT, spans, field('valid_until'), '2028-12-31')).toContain("# first\nvalid_until: '2028-12-31'\ntasks")
  expect(writeHead(TEXT, spans, field('valid_until'), '')).toBe(TEXT)
})
