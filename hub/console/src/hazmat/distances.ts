// Which distances hold for a load: spill size, guide, Tables 1 and 3; as plans/hazmat/distances.py, checked against the same cases.
import type { Book, Row } from './bundle'

export interface Facts { un: string | null; leak: boolean | null; fire: boolean | null; container: string; spill: 'small' | 'large' | null; in_water: boolean | null; quantity_kg?: number | null; placard_class?: string | null }
export interface Distance { value: number; plus: boolean; source: string }
export interface Distances { spill: 'small' | 'large'; guide: string; isolation: Distance; protective: Distance | null; direction: string; fire: Distance | null; conditional: boolean }
type Daylight = 'day' | 'night'
type WindColumn = 'low' | 'moderate' | 'high'

export function spillSize(book: Book, facts: Facts): 'small' | 'large' {
  if (facts.spill) return facts.spill
  if (facts.quantity_kg != null) return facts.quantity_kg / book.rules.small_spill.density_floor_kg_per_l <= book.rules.small_spill.max_l ? 'small' : 'large'
  return book.rules.containers.small.includes(facts.container) ? 'small' : 'large'
}

/** The guide to follow: by UN number, else by the diamond, else the one for the unknown. */
function guideOf(book: Book, facts: Facts): string {
  const named = facts.un ? book.substances.get(facts.un)?.guides[0]?.replace(/P$/, '') : undefined
  return named ?? book.placards.find((row) => row.class === facts.placard_class)?.guide ?? book.rules.unknown_material.guide
}

function distance(text: string | undefined, plus: boolean, source: string): Distance | null {
  return text ? { value: Number(text), plus, source } : null
}

/** How far a line reaches: the night column first, which is never the shorter one, then the isolation. */
function reach(line: Row, size: string): [number, number] {
  const [night, isolate] = size === 'small' ? [line.small_night_m, line.small_isolate_m] : [line.large_night_m, line.large_isolate_m]
  return [night ? Number(night) : Infinity, isolate ? Number(isolate) : Infinity]
}

function longest(lines: Row[], size: string): Row {
  return lines.reduce((best, line) => {
    const [a, b] = [reach(best, size), reach(line, size)]
    return b[0] > a[0] || (b[0] === a[0] && b[1] > a[1]) ? line : best
  })
}

function pickLine(lines: Row[], facts: Facts, size: string): { line: Row | null; conditional: boolean } {
  const water = lines.filter((line) => line.spilled === 'water')
  const other = lines.filter((line) => line.spilled !== 'water')
  if (!water.length) return { line: longest(other, size), conditional: false }
  if (facts.in_water === true) return { line: water[0]!, conditional: false }
  if (facts.in_water === false) return { line: other[0] ?? null, conditional: false }
  const line = longest([...other, ...water], size)
  return { line, conditional: line.spilled === 'water' }
}

function table3(book: Book, un: string, container: string): Row {
  const found = book.table3.get(un)!
  const wanted = book.rules.table3_containers[container] ?? book.rules.table3_containers.unknown!
  const name = wanted.find((one) => found.some((row) => row.container === one)) ?? 'rail_tank_car'
  return found.find((row) => row.container === name)!
}

interface Picked { isolation: Distance; protective: Distance | null; direction: string; conditional: boolean }

function fromGuide(book: Book, guide: string, size: string): Picked {
  const all = book.distances.get(guide) ?? []
  const immediate = all.filter((row) => row.trigger === 'immediate' && row.isolate_m)
  if (!immediate.length) return fromGuide(book, book.rules.unknown_material.guide, size)
  const chosen = immediate.find((row) => row.applies_to === 'liquid') ?? immediate.find((row) => row.applies_to === 'any') ?? immediate[0]!
  const source = `${book.edition}, guide ${guide}`
  const isolation = distance(chosen.isolate_m, false, source)!
  const large = all.find((row) => row.trigger === 'large_spill' && row.evacuate_m)
  if (size === 'large' && large) return { isolation, protective: distance(large.evacuate_m, false, source), direction: large.direction!, conditional: false }
  return { isolation, protective: null, direction: 'downwind', conditional: false }
}

function pick(book: Book, facts: Facts, guide: string, size: string, daylight: Daylight, wind: WindColumn): Picked {
  const lines = (facts.un && book.table1.get(facts.un)) || []
  if (!lines.length) return fromGuide(book, guide, size)
  const { line, conditional } = pickLine(lines, facts, size)
  if (!line) return fromGuide(book, guide, size)
  const source = `${book.edition}, Table 1, UN${line.un} ${size} spill`
  if (size === 'small') return { isolation: distance(line.small_isolate_m, false, source)!, protective: distance(line[`small_${daylight}_m`], false, source), direction: 'downwind', conditional }
  if (line.table3 === '1') {
    const row = table3(book, line.un!, facts.container)
    const column = `${daylight}_${wind}`
    const where = `${book.edition}, Table 3, UN${row.un} ${row.container!.replaceAll('_', ' ')}`
    return { isolation: distance(row.isolate_m, false, where)!, protective: distance(row[`${column}_m`], row.plus!.split(' ').includes(column), where), direction: 'downwind', conditional }
  }
  return { isolation: distance(line.large_isolate_m, false, source)!, protective: distance(line[`large_${daylight}_m`], line[`${daylight}_plus`] === '1', source), direction: 'downwind', conditional }
}

const IN_VEHICLE = ['vehicle_load', 'packages_in_vehicle', 'large_quantity', 'large_container']

function aroundFire(book: Book, facts: Facts, guide: string): [Distance | null, Distance | null] {
  if (facts.fire !== true) return [null, null]
  const tank = [...book.rules.containers.tank, 'unknown'].includes(facts.container)
  let fitting = (book.distances.get(guide) ?? []).filter((row) => row.trigger === 'fire' && (IN_VEHICLE.includes(row.applies_to!) || (tank && /^(tank|ammonium)/.test(row.applies_to!))))
  const nitrate = facts.un ? book.substances.get(facts.un)?.names_en.some((name) => name.toLowerCase().includes('ammonium nitrate')) : false
  if (!nitrate) {
    const others = fitting.filter((row) => !row.applies_to!.startsWith('ammonium'))
    fitting = others.length ? others : fitting
  }
  if (!fitting.length) return [null, null]
  const size = (row: Row) => Math.max(Number(row.isolate_m || 0), Number(row.evacuate_m || 0))
  const best = fitting.reduce((a, b) => (size(b) > size(a) ? b : a))
  const source = `${book.edition}, guide ${guide}`
  return [distance(best.isolate_m, false, source), distance(best.evacuate_m, false, source)]
}

/** The distances for what is known of a load; a number that the book does not hold is read as unknown. */
export function distancesFor(book: Book, facts: Facts, daylight: Daylight, wind: WindColumn): Distances & { fire_evacuation: Distance | null } {
  const known = facts.un && book.substances.has(facts.un) ? facts : { ...facts, un: null }
  const spill = spillSize(book, known)
  const guide = guideOf(book, known)
  const picked = pick(book, known, guide, spill, daylight, wind)
  const [fire, fire_evacuation] = aroundFire(book, known, guide)
  return { spill, guide, isolation: picked.isolation, protective: known.leak === false ? null : picked.protective, direction: picked.direction, fire, fire_evacuation, conditional: picked.conditional }
}
