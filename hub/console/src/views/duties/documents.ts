// Documents of duty data as rows that a form edits: which columns a row has, what is wrong with it and where, and the row back in its place. Pure.
import rules from './rules.json'

export type Row = Record<string, unknown>
export type Value = string | number | boolean | string[]
/** What a form holds of a row: column (`zh.title`) to what is typed or chosen. */
export type RowForm = Record<string, Value>
type ColumnKind = 'text' | 'long' | 'number' | 'clock' | 'date' | 'yes' | 'one' | 'many' | 'list'
export interface Column { name: string; kind: ColumnKind; needed?: boolean; usual?: Value; /** What may be chosen; `ladders` and `departments` come from the hub. */ from?: readonly string[] | 'ladders' | 'departments' }
/** A part of a document: rows by their ids (`keyed`), or one after the other, with an `id` among their columns or none. */
export interface Part { name: string; keyed: boolean; /** The part is one row and nothing else. */ only?: boolean; columns: Column[] }

const text = (name: string, needed = true): Column => ({ name, kind: 'text', needed })
const number = (name: string, usual?: unknown): Column => ({ name, kind: 'number', ...(typeof usual === 'number' ? { usual, needed: true } : {}) })
const { kind, limit } = rules.usual

export const PARTS: Record<string, Part[]> = {
  obligation_kinds: [{ name: 'kinds', keyed: true, columns: [
    text('zh'), text('en', false), { name: 'ladder', kind: 'one', from: 'ladders', needed: true }, number('grace_min', kind.grace_min), number('lock_min'), number('ack_valid_min', kind.ack_valid_min),
    number('correction_min', kind.correction_min), { name: 'urgent', kind: 'yes', usual: kind.urgent }, { name: 'by_hand', kind: 'yes', usual: kind.by_hand },
    { name: 'alarm', kind: 'yes', usual: kind.alarm },
  ] }],
  statutory_limits: [
    { name: 'limits', keyed: false, columns: [
      text('id'), text('zh'), text('en', false), { name: 'duty', kind: 'one', from: rules.duties, needed: true }, text('from_role'), text('to_role'), { name: 'clock', kind: 'one', from: rules.clocks, needed: true },
      number('screen_min'), number('phone_min'), number('written_min'), number('per_day'), { name: 'at', kind: 'clock' }, number('days'), { name: 'categories', kind: 'list' },
      { name: 'grades', kind: 'many', from: rules.grades }, text('source'), text('edition'), { name: 'valid_from', kind: 'date', needed: true }, { name: 'valid_to', kind: 'date' },
      { name: 'status', kind: 'one', from: ['to_confirm', 'confirmed'], needed: true, usual: limit.status }, { name: 'enabled', kind: 'yes', usual: limit.enabled },
    ] },
    { name: 'role_posts', keyed: true, columns: [{ name: 'department', kind: 'one', from: 'departments', needed: true }, text('post')] },
  ],
  notice_templates: [{ name: 'templates', keyed: true, columns: [text('zh.title'), { name: 'zh.body', kind: 'long', needed: true }, text('en.title'), { name: 'en.body', kind: 'long', needed: true }] }],
  digest_rule: [{ name: 'digest', keyed: false, only: true, columns: [
    text('heading_zh'), { name: 'at', kind: 'clock', needed: true }, { name: 'sign_within_min', kind: 'number', needed: true }, { name: 'department', kind: 'one', from: 'departments', needed: true }, text('group'),
  ] }],
  quiet_rules: [{ name: 'rules', keyed: false, columns: [
    text('zh', false), text('en', false), { name: 'channels', kind: 'many', from: rules.channels, needed: true }, { name: 'starts', kind: 'clock', needed: true }, { name: 'ends', kind: 'clock', needed: true },
  ] }],
}

export interface Entry { key: string; row: Row }
/** The rows of a part, each by what names it in the document: its id, or its place. */
export function entries(document: Row, part: Part): Entry[] {
  const held = document[part.name]
  if (part.only) return [{ key: part.name, row: held as Row }]
  return Object.entries((held ?? {}) as Record<string, Row>).map(([key, row]) => ({ key, row }))
}

const at = (row: Row, path: string): unknown => path.split('.').reduce<unknown>((held, step) => (held as Row | undefined)?.[step], row)
const EMPTY: Record<ColumnKind, Value> = { text: '', long: '', number: '', clock: '', date: '', yes: false, one: '', many: [], list: '' }

export function formOf(row: Row, part: Part): RowForm {
  return Object.fromEntries(part.columns.map((column) => {
    const value = at(row, column.name) ?? column.usual ?? EMPTY[column.kind]
    return [column.name, column.kind === 'list' ? (value as string[] | string).toString() : Array.isArray(value) ? [...value] : (value as Value)]
  }))
}

const isEmpty = (value: Value): boolean => value === '' || (Array.isArray(value) && !value.length) || (typeof value === 'string' && !value.trim())
const listed = (value: Value): string[] => String(value).split(/[\s,，、;；]+/).filter(Boolean)

/** The row as the hub keeps it: what it does not need is left out, what the form does not know stays. Only for forms without faults. */
export function rowOf(form: RowForm, before: Row, part: Part): Row {
  const row = JSON.parse(JSON.stringify(before)) as Row
  for (const column of part.columns) {
    const [typed, steps] = [form[column.name]!, column.name.split('.')]
    const last = steps.pop()!
    const home = steps.reduce<Row>((held, step) => (held[step] ??= {}) as Row, row)
    const value = column.kind === 'list' ? listed(typed) : column.kind === 'many' ? (column.from as string[]).filter((one) => (typed as string[]).includes(one)) : column.kind === 'text' ? String(typed).trim() : typed
    if (isEmpty(value) || (value === column.usual && !(last in home))) delete home[last]
    else home[last] = value
  }
  if ('zh' in row && !row.en && typeof row.zh === 'string') row.en = row.zh
  return row
}

/** Column to the word for what is wrong with it; `id` for the id of a keyed row. */
export function faultsOf(form: RowForm, part: Part, id: string, taken: string[]): Record<string, string> {
  const found: Record<string, string> = {}
  const own = part.keyed ? id : (form.id as string | undefined)
  if (own !== undefined && !/^[a-z0-9][a-z0-9_-]{0,61}$/.test(own)) found.id = 'badId'
  else if (own !== undefined && taken.includes(own)) found.id = 'taken'
  for (const { name, kind, needed } of part.columns) {
    const value = form[name]!
    if (needed && isEmpty(value)) found[name] = 'needed'
    else if (kind === 'number' && value !== '' && !(Number(value) >= 0)) found[name] = 'needsNumber'
    else if (kind === 'clock' && value !== '' && !/^([01]\d|2[0-3]):[0-5]\d$/.test(String(value))) found[name] = 'needsClock'
  }
  return found
}

/** The document with this row in its place (null: without it), and with it everything that it had besides. */
export function put(document: Row, part: Part, key: string | null, row: Row | null): Row {
  const held = document[part.name]
  if (part.only) return { ...document, [part.name]: row }
  if (part.keyed) {
    const { [key!]: _, ...others } = held as Record<string, Row>
    return { ...document, [part.name]: row === null ? others : { ...(held as object), [key!]: row } }
  }
  const list = held as Row[]
  const whole = key === null ? [...list, row!] : list.flatMap((one, n) => (String(n) !== key ? [one] : row === null ? [] : [row]))
  return { ...document, [part.name]: whole }
}

/** The column of this row that a refusal of the hub names (`kinds.digest.grace_min`), or null. */
export function columnOf(field: string | null, part: Part, key: string): string | null {
  const path = part.only ? `${part.name}.` : `${part.name}.${key}.`
  return field?.startsWith(path) ? field.slice(path.length) : null
}
