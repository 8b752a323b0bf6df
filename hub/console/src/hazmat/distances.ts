// Which distances hold for a load: spill size, guide, Tables 1 and 3; as plans/hazmat/distances.py, checked against the same cases.
import type { Bilingual } from '@/backend/types'
import { said, type Book, type Row } from './bundle'

export interface Facts { un: string | null; leak: boolean | null; fire: boolean | null; container: string; spill: 'small' | 'large' | null; in_water: boolean | null; quantity_kg?: number | null; placard_class?: string | null; hazard_zone?: string | null; material?: string | null }
/** A number in metres and where it stands; `in_km`: the book prints kilometres. */
export interface Distance { value: number; plus: boolean; source: string; in_km: boolean }
export interface Distances { spill: 'small' | 'large'; guide: string; isolation: Distance; protective: Distance | null; direction: string; fire: Distance | null; fire_evacuation: Distance | null; conditional: boolean; notes: Bilingual[] }
type Daylight = 'day' | 'night'
type WindColumn = 'low' | 'moderate' | 'high'

export function spillSize(book: Book, facts: Facts): 'small' | 'large' {
  if (facts.spill) return facts.spill
  if (facts.quantity_kg != null) return facts.quantity_kg / book.rules.small_spill.density_floor_kg_per_l <= book.rules.small_spill.max_l ? 'small' : 'large'
  return book.rules.containers.small.includes(facts.container) ? 'small' : 'large'
}

/** Every guide of a number: batteries of several kinds have several, and the gravest is kept off from. */
function guidesOf(book: Book, facts: Facts): string[] {
  const named = facts.un ? book.substances.get(facts.un)?.guides.map((one) => one.replace(/P$/, '')) : undefined
  return named?.length ? named : [guideOf(book, facts)]
}

/** The guide to follow: by UN number, else by the diamond, else the one for the unknown. */
function guideOf(book: Book, facts: Facts): string {
  const named = facts.un ? book.substances.get(facts.un)?.guides[0]?.replace(/P$/, '') : undefined
  return named ?? book.placards.find((row) => row.class === facts.placard_class)?.guide ?? book.rules.unknown_material.guide
}

function distance(text: string | undefined, plus: boolean, source: string, in_km = false): Distance | null {
  return text ? { value: Number(text), plus, source, in_km } : null
}

interface Picked { isolation: Distance; protective: Distance | null; direction: string; water_only: boolean; notes: Bilingual[] }

/** The lines of Table 1 that may hold, and what to say about the choice. */
function linesOf(book: Book, lines: Row[], { in_water, hazard_zone, material }: Facts): [Row[], Bilingual[]] {
  const known = lines.filter((line) => !material || line.material === material)
  const zoned = known.filter((line) => !hazard_zone || line.hazard_zone === hazard_zone)
  const all = zoned.length ? zoned : known
  const notes = new Set(all.map((line) => line.hazard_zone).filter(Boolean)).size > 1 ? [said(book, 'zones_unknown')] : []
  const materials = [...new Set(all.map((line) => line.material))]
  if (materials.length > 1) notes.push(said(book, 'several_materials', { names: materials.join(' / ') }))
  const water = all.filter((line) => line.spilled === 'water')
  if (!water.length) return [all, notes]
  const other = all.filter((line) => line.spilled !== 'water')
  if (in_water === true) return [water, [...notes, said(book, 'in_water')]]
  if (in_water === false) return [other, [...notes, said(book, other.length ? 'on_land' : 'not_in_water')]]
  return [[...other, ...water], [...notes, said(book, 'water_unknown')]]
}

const ROW_ZH: Record<string, string> = { rail_tank_car: '铁路罐车', highway_tank: '公路罐车', nurse_tank: '农用氨罐', ton_cylinders: '多个吨瓶', small_cylinders: '多个小钢瓶', small_cylinders_or_one_ton: '多个小钢瓶或单个吨瓶' }
const SMALL = ['small_cylinders', 'small_cylinders_or_one_ton']

function table3(book: Book, un: string, container: string): [Row, Bilingual[]] {
  const found = book.table3.get(un)!
  const wanted = book.rules.table3_containers[container] ?? book.rules.table3_containers.unknown!
  const name = wanted.find((one) => found.some((row) => row.container === one)) ?? 'rail_tank_car'
  const row = found.find((one) => one.container === name)!
  const exact = name === wanted[0] && book.rules.table3_exact.includes(container)
  if (exact || (name !== wanted[0] && SMALL.includes(name) && SMALL.includes(wanted[0]!))) return [row, []]
  return [row, [said(book, 'table3_row', { row_zh: ROW_ZH[name]!, row_en: name.replaceAll('_', ' ') })]]
}

function fromGuide(book: Book, guide: string, size: string): Picked {
  const all = book.distances.get(guide) ?? []
  const immediate = all.filter((row) => row.trigger === 'immediate' && row.isolate_m)
  if (!immediate.length) return { ...fromGuide(book, book.rules.unknown_material.guide, size), notes: [said(book, 'guide_without_distance')] }
  const chosen = immediate.find((row) => row.applies_to === 'liquid') ?? immediate.find((row) => row.applies_to === 'any') ?? immediate[0]!
  const isolation = distance(chosen.isolate_m, false, guideSource(book, chosen, 'isolate'))!
  const large = all.find((row) => row.trigger === 'large_spill' && row.evacuate_m)
  const more = size === 'large' && large
  return { isolation, protective: more ? distance(large.evacuate_m, false, guideSource(book, large, 'evacuate')) : null, direction: more ? large.direction! : 'downwind', water_only: false, notes: [] }
}

const guideSource = (book: Book, row: Row, what: string): string => `${book.edition}, guide ${row.guide}, ${row.trigger!.replaceAll('_', ' ')}, ${row.applies_to!.replaceAll('_', ' ')}, ${what}`

function fromLine(book: Book, line: Row, facts: Facts, size: string, daylight: Daylight, wind: WindColumn): Picked {
  const held = { direction: 'downwind', water_only: line.spilled === 'water', notes: [] }
  if (size === 'large' && line.table3 === '1') {
    const [row, notes] = table3(book, line.un!, facts.container)
    const column = `${daylight}_${wind}`
    const where = `${book.edition}, Table 3, UN${row.un} ${row.container!.replaceAll('_', ' ')}`
    return { ...held, isolation: distance(row.isolate_m, false, `${where}, isolate`)!, protective: distance(row[`${column}_m`], row.plus!.split(' ').includes(column), `${where}, ${daylight} ${wind}`, true), notes }
  }
  const spilled = ({ land: ', spilled on land', water: ', spilled in water' } as Record<string, string>)[line.spilled!] ?? ''
  const where = `${book.edition}, Table 1, UN${line.un}${spilled}${line.hazard_zone ? `, hazard zone ${line.hazard_zone}` : ''} ${size} spill`
  return { ...held, isolation: distance(line[`${size}_isolate_m`], false, `${where}, isolate`)!, protective: distance(line[`${size}_${daylight}_m`], size === 'large' && line[`${daylight}_plus`] === '1', `${where}, ${daylight}`, true) }
}

/** Of every line that may hold the longest of each distance: what is not known must not shorten any of them. */
function pick(book: Book, facts: Facts, guides: string[], size: string, daylight: Daylight, wind: WindColumn): Picked & { conditional: boolean } {
  const [held, notes] = linesOf(book, (facts.un && book.table1.get(facts.un)) || [], facts)
  const found = held.map((line) => fromLine(book, line, facts, size, daylight, wind))
  // on land the guide holds where Table 1 has a line for water alone
  if (held.every((line) => line.spilled === 'water') && !(held.length && facts.in_water === true)) found.push(...guides.map((guide) => fromGuide(book, guide, size)))
  const chosen = found.filter((one) => one.protective).reduce<Picked | null>((best, one) => (best && best.protective!.value >= one.protective!.value ? best : one), null) ?? found[0]!
  const around = found.flatMap((one) => (one.protective && one.direction === 'around' && chosen.direction !== 'around' ? [one.protective] : []))
  const isolation = [...found.map((one) => one.isolation), ...around].reduce((best, one) => (one.value > best.value ? one : best))
  const conditional = facts.in_water === null && (chosen.water_only || found.some((one) => one.water_only && one.isolation === isolation))
  const all = new Map([...notes, ...found.flatMap((one) => one.notes)].map((one) => [one.en, one]))
  return { ...chosen, isolation, conditional, notes: [...all.values()] }
}

const IN_VEHICLE = ['vehicle_load', 'packages_in_vehicle', 'large_quantity', 'large_container']

function aroundFire(book: Book, facts: Facts, guides: string[]): [Distance | null, Distance | null, Bilingual[]] {
  if (facts.fire !== true) return [null, null, []]
  const tank = [...book.rules.containers.tank, 'unknown'].includes(facts.container)
  let fitting = guides.flatMap((guide) => book.distances.get(guide) ?? []).filter((row) => row.trigger === 'fire' && (IN_VEHICLE.includes(row.applies_to!) || (tank && /^(tank|ammonium)/.test(row.applies_to!))))
  const nitrate = facts.un ? book.substances.get(facts.un)?.names_en.some((name) => name.toLowerCase().includes('ammonium nitrate')) : false
  if (!nitrate) {
    const others = fitting.filter((row) => !row.applies_to!.startsWith('ammonium'))
    fitting = others.length ? others : fitting
  }
  if (!fitting.length) return [null, null, [said(book, 'no_fire_distance')]]
  const size = (row: Row) => Math.max(Number(row.isolate_m || 0), Number(row.evacuate_m || 0))
  const best = fitting.reduce((a, b) => (size(b) > size(a) ? b : a))
  return [distance(best.isolate_m, false, guideSource(book, best, 'isolate')), distance(best.evacuate_m, false, guideSource(book, best, 'evacuate')), []]
}

const leakNotes = (book: Book, leak: boolean | null): Bilingual[] => (leak === null ? [said(book, 'leak_unknown')] : leak ? [] : [said(book, 'no_leak')])

/** The distances for what is known of a load; a number that the book does not hold is read as unknown. */
export function distancesFor(book: Book, facts: Facts, daylight: Daylight, wind: WindColumn): Distances {
  const known = facts.un && book.substances.has(facts.un) ? facts : { ...facts, un: null }
  const spill = spillSize(book, known)
  const guides = guidesOf(book, known)
  const picked = pick(book, known, guides, spill, daylight, wind)
  const [fire, fire_evacuation, burning] = aroundFire(book, known, guides)
  const notes = [...picked.notes, ...burning, ...leakNotes(book, known.leak)]
  return { spill, guide: guideOf(book, known), isolation: picked.isolation, protective: known.leak === false ? null : picked.protective, direction: picked.direction, fire, fire_evacuation, conditional: picked.conditional, notes }
}

/** How far off to wait and from which side to come: upwind, beyond every all-round distance. */
export function stagingFor(book: Book, found: Distances, from: Bilingual | null): { metres: number; approach: Bilingual; reason: Bilingual } {
  const around = [found.isolation, found.fire, found.fire_evacuation, found.direction === 'around' ? found.protective : null]
  const metres = Math.ceil(Math.max(book.rules.staging.min_m, book.rules.staging.factor * Math.max(...around.map((one) => one?.value ?? 0))))
  if (!from) return { metres, approach: said(book, 'approach_unknown'), reason: said(book, 'stay_off', { value: metres }) }
  return { metres, approach: said(book, 'approach', { side_zh: from.zh, side_en: from.en }), reason: said(book, 'stage', { value: metres }) }
}
