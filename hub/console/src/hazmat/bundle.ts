// The hazmat file as the phone holds it: tables as columns and rows, turned into maps once. No network, no page.
import type { Bilingual } from '@/backend/types'

export type Row = Record<string, string>
interface Table { columns: string[]; rows: string[][] }

export interface RawBundle {
  format: number
  editions: { erg: { edition: string }; adr: { edition: string } }
  substances: { columns: string[]; rows: unknown[][] }
  tables: Record<string, Table>
  simplified: string
  district: [number, number][]
  receptors: { columns: string[]; rows: unknown[][] }
  rules: {
    small_spill: { max_l: number; density_floor_kg_per_l: number }
    table3_wind: { low_below_kmh: number; high_above_kmh: number }
    unknown_material: { guide: string }
    wind: { calm_below_ms: number; max_speed_ms: number; stale_after_s: number; stale_extra_deg: number; expired_after_s: number; max_clock_ahead_s: number; measured_uncertainty_deg: number }
    wedge: { half_angle_deg: number; circle_from_half_angle_deg: number }
    sun: { day_above_deg: number }
    town_radius_m: number
    staging: { factor: number; min_m: number }
    table3_exact: string[]
    table3_containers: Record<string, string[]>
    containers: { small: string[]; large: string[]; tank: string[] }
    limits: Bilingual[]
  }
}

export interface Substance { un: string; name_zh: string | null; aliases_zh: string[]; names_en: string[]; cas: string | null; formula: string | null; guides: string[]; inhalation: boolean; polymerises: boolean; gas_in_water: string | null; classes: string[][]; matters: [string, string] | null }

/** Somebody who may be hurt, or a town (kind `town`) with its approximate centre; `demo` marks invented ones. */
export interface Place { id: string; kind: string; name_zh: string; name_en: string; town_code: string; lon: number | null; lat: number | null; population: number | null; demo: boolean }

export interface Book {
  edition: string
  substances: Map<string, Substance>
  table1: Map<string, Row[]>
  table3: Map<string, Row[]>
  guides: Map<string, Row>
  distances: Map<string, Row[]>
  actions: Map<string, Row[]>
  phrases: Map<string, Row>
  hin: Map<string, Row>
  placards: Row[]
  winds: Row[]
  beaufort: Row[]
  containers: Map<string, string>
  notes: Map<string, Row>
  simplified: Map<string, string>
  middle: [number, number]
  places: Place[]
  rules: RawBundle['rules']
}

const rows = (table: Table): Row[] => table.rows.map((row) => Object.fromEntries(table.columns.map((name, n) => [name, row[n]!])))

function grouped(all: Row[], key: string): Map<string, Row[]> {
  const found = new Map<string, Row[]>()
  for (const row of all) found.set(row[key]!, [...(found.get(row[key]!) ?? []), row])
  return found
}
const by = (all: Row[], key: string): Map<string, Row> => new Map(all.map((row) => [row[key]!, row]))

/** A sentence of the hub in both languages, its {names} filled in. */
export function said(book: Book, code: string, values: Record<string, string | number> = {}): Bilingual {
  const row = book.notes.get(code)!
  const fill = (text: string): string => text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name]))
  return { zh: fill(row.zh!), en: fill(row.en!) }
}

/** Half-width, and every traditional character written simplified. */
export const plain = (book: Book, text: string): string => [...text.normalize('NFKC')].map((one) => book.simplified.get(one) ?? one).join('')

/** The middle of the box around an outline. */
function middleOf(ring: [number, number][]): [number, number] {
  const half = (values: number[]): number => (Math.min(...values) + Math.max(...values)) / 2
  return [half(ring.map(([lon]) => lon)), half(ring.map(([, lat]) => lat))]
}

/** Open a bundle. Throws for a format that this page does not know. */
export function openBook(raw: RawBundle): Book {
  if (raw.format !== 2) throw new Error(`unknown format ${raw.format}`)
  const table = (name: string): Row[] => rows(raw.tables[name]!)
  const { columns } = raw.substances
  const substances = raw.substances.rows.map((row) => Object.fromEntries(columns.map((name, n) => [name, row[n]])) as unknown as Substance)
  return {
    edition: raw.editions.erg.edition,
    substances: new Map(substances.map((one) => [one.un, one])),
    table1: grouped([...table('table1'), ...table('table1_more')], 'un'),
    table3: grouped(table('table3'), 'un'),
    guides: by(table('guides'), 'guide'),
    distances: grouped(table('guide_distances'), 'guide'),
    actions: grouped(table('guide_actions'), 'guide'),
    phrases: by(table('guide_phrases'), 'phrase'),
    hin: by(table('hin'), 'hin'),
    placards: table('placards'),
    winds: table('winds').sort((a, b) => b.name!.length - a.name!.length),
    beaufort: table('beaufort'),
    containers: new Map(table('containers').map((row) => [row.word!, row.container!])),
    notes: by(table('notes'), 'code'),
    places: raw.receptors.rows.map((row) => Object.fromEntries(raw.receptors.columns.map((name, n) => [name, row[n]])) as unknown as Place),
    middle: middleOf(raw.district),
    simplified: new Map([...raw.simplified].flatMap((one, n, all) => (n % 2 ? [] : [[one, all[n + 1]!] as const]))),
    rules: raw.rules,
  }
}
