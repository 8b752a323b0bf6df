// The head of a plan as a form beside its text: what stands where the linter says it stands is read and written in place, the rest is left alone.
export type Spans = Record<string, [number, number]>

export interface HeadField { path: string; label: string; kind: 'text' | 'number' | 'date' | 'kind'; optional?: boolean }
export const HEAD_FIELDS: HeadField[] = [
  { path: 'title.zh', label: 'titleZh', kind: 'text' },
  { path: 'title.en', label: 'titleEn', kind: 'text' },
  { path: 'id', label: 'id', kind: 'text' },
  { path: 'version', label: 'versionNumber', kind: 'number' },
  { path: 'kind', label: 'kindOf', kind: 'kind' },
  { path: 'source.document', label: 'document', kind: 'text' },
  { path: 'source.edition', label: 'edition', kind: 'text' },
  { path: 'source.issuing_body', label: 'issuer', kind: 'text' },
  { path: 'valid_from', label: 'validFrom', kind: 'date' },
  { path: 'valid_until', label: 'validUntil', kind: 'date', optional: true },
]

/** The linter counts code points, a string UTF-16 units. */
function units(text: string, points: number): number {
  let at = 0
  for (let n = 0; n < points && at < text.length; n++) at += text.codePointAt(at)! > 0xffff ? 2 : 1
  return at
}

const unquoted = (raw: string): string => {
  if (raw.startsWith("'") && raw.endsWith("'") && raw.length > 1) return raw.slice(1, -1).replaceAll("''", "'")
  if (raw.startsWith('"')) {
    try {
      return String(JSON.parse(raw))
    } catch {
      return raw.slice(1, -1)
    }
  }
  return raw === 'null' || raw === '~' ? '' : raw
}

const PLAIN = /^[\p{L}][\p{L}\p{N}_()（）〔〕《》“”·、，。；：—.-]*( [\p{L}\p{N}_()（）〔〕《》“”·、，。；：—.-]+)*$/u
const quoted = (value: string): string => (PLAIN.test(value) && !/^(true|false|null)$/.test(value) ? value : `'${value.replaceAll("'", "''")}'`)

/** What stands in a field; null where the text has no such field. */
export function readHead(text: string, spans: Spans, path: string): string | null {
  const span = spans[path]
  return span ? unquoted(text.slice(units(text, span[0]), units(text, span[1]))) : null
}

/** The text with another value in a field. A field that is not there yet gets a line of its own below `valid_from`. */
export function writeHead(text: string, spans: Spans, field: HeadField, value: string): string {
  const one = value.replaceAll('\n', ' ').trim()
  const written = field.kind === 'number' ? String(Math.max(1, Math.trunc(Number(one)) || 1)) : one === '' && field.optional ? 'null' : quoted(one)
  const span = spans[field.path]
  if (span) return text.slice(0, units(text, span[0])) + written + text.slice(units(text, span[1]))
  const above = spans['valid_from']
  if (!above || one === '') return text
  const end = text.indexOf('\n', units(text, above[1]))
  const at = end < 0 ? text.length : end
  return `${text.slice(0, at)}\n${field.path}: ${written}${text.slice(at)}`
}
