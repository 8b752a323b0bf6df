// One request to the hub. Nothing outside this folder may call fetch; every refusal comes out as `Refused`, every broken line as `Unreachable`.
import type { Bilingual, ClassifiedHit } from './types'

/** The hub answered and said no: a stable code, a sentence in both languages, and the field where there is one. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly sentence: Bilingual,
    readonly field: string | null = null,
  ) {
    super(sentence.en)
  }
}

/** No answer, or an answer that says "later". What was typed is kept by whoever asked. */
export class Unreachable extends Error {}

const TIMEOUT_MS = 15_000
let signedOut: () => void = () => undefined

/** Name what happens when the hub says that nobody is signed in (status 401). */
export function onSignedOut(then: () => void): void {
  signedOut = then
}

export type Query = Record<string, string | number | boolean | null | undefined>

export function address(path: string, query?: Query): string {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== '')
  const text = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString()
  return text ? `${path}?${text}` : path
}

/** Read what a refusal says, whatever stands in front of the hub wrote it. */
export function refusal(status: number, payload: unknown): Refused {
  const body = (typeof payload === 'object' && payload !== null ? payload : {}) as Record<string, unknown>
  const inner = (typeof body.error === 'object' && body.error !== null ? body.error : body) as Record<string, unknown>
  const code = String(inner.code ?? inner.reason ?? `http_${status}`)
  const message = inner.message
  const plain = { zh: `请求被拒绝（${status}）`, en: `The request was refused (${status})` }
  let sentence: Bilingual = plain
  if (typeof message === 'string') sentence = { zh: message, en: message }
  else if (typeof message === 'object' && message !== null) sentence = { ...plain, ...(message as Partial<Bilingual>) }
  return new Refused(status, code, sentence, typeof inner.field === 'string' ? inner.field : null)
}

/** A warning that a text may be classified, with the word that stands there where it is known. */
export type Warning = ClassifiedHit & { word: string }
type Ask = (warnings: Warning[]) => Promise<boolean>
let warned: Ask | null = null

/** Name who shows such warnings to the person and says whether to go on (null: nobody; then the hub's refusal stands). */
export function onWarned(then: Ask | null): void {
  warned = then
}

/** The word at a dotted path of what was sent; what is no JSON shows none. */
function wordAt(body: unknown, hit: ClassifiedHit): string {
  const found = hit.field.split('.').reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], body)
  return typeof found === 'string' ? [...found].slice(hit.start, hit.end).join('') : '…'
}

/** Send a request; where the hub warns that its text may be classified, ask, and send it again with the warnings that were seen. */
export async function send(path: string, request: () => RequestInit, body?: unknown): Promise<Response> {
  const answer = await fetch(path, request())
  if (answer.status !== 422 || !warned) return answer
  const said = (await answer.clone().json().catch(() => null)) as { code?: string; warnings?: ClassifiedHit[] } | null
  if (said?.code !== 'classified_warning' || !said.warnings?.length) return answer
  const once = [...new Map(said.warnings.map((hit) => [hit.mark, { ...hit, word: wordAt(body, hit) }])).values()]
  if (!(await warned(once))) return answer
  const again = request()
  return fetch(path, { ...again, headers: { ...(again.headers as Record<string, string>), 'x-tocsin-seen': once.map((hit) => hit.mark).join(',') } })
}

/** Ask the hub. Raises Refused (4xx), Unreachable (no answer in 15 s, 502, 503, 504) and nothing else. */
export async function ask<T>(method: string, path: string, options: { query?: Query; body?: unknown; keepalive?: boolean } = {}): Promise<T> {
  let answer: Response
  try {
    answer = await send(address(path, options.query), () => ({
      method,
      credentials: 'same-origin',
      headers: {
        accept: 'application/json',
        ...(method === 'GET' ? {} : { 'x-tocsin': 'console' }),
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      keepalive: options.keepalive ?? false,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }), options.body)
  } catch {
    throw new Unreachable('no answer')
  }
  const text = await answer.text().catch(() => '')
  let payload: unknown = null
  try {
    payload = text ? JSON.parse(text) : null
  } catch {
    payload = null
  }
  if (answer.ok) return payload as T
  if ([502, 503, 504].includes(answer.status) && path !== '/readyz') throw new Unreachable(refusal(answer.status, payload).message)
  if (answer.status === 503) return payload as T
  const entering = path.startsWith('/api/v1/session') && method !== 'GET'
  if (answer.status === 401 && !entering) signedOut()
  throw refusal(answer.status, payload)
}

/** The refusal that an answer is; that nobody is signed in any more is known everywhere at once. */
export function refusedBy(answer: Response, payload: unknown): Refused {
  if (answer.status === 401) signedOut()
  return refusal(answer.status, payload)
}

export const get = <T>(path: string, query?: Query): Promise<T> => ask<T>('GET', path, { query })
export const post = <T>(path: string, body: unknown = {}): Promise<T> => ask<T>('POST', path, { body })

/** Read something that is no JSON (a plan as YAML). */
export async function text(path: string, query?: Query): Promise<string> {
  let answer: Response
  try {
    answer = await fetch(address(path, query), { credentials: 'same-origin', signal: AbortSignal.timeout(TIMEOUT_MS) })
  } catch {
    throw new Unreachable('no answer')
  }
  const body = await answer.text().catch(() => '')
  if (answer.ok) return body
  if ([502, 503, 504].includes(answer.status)) throw new Unreachable('later')
  let payload: unknown = null
  try {
    payload = JSON.parse(body)
  } catch {
    payload = null
  }
  throw refusedBy(answer, payload)
}

/** Ask for a file that the hub makes. */
export async function file(path: string, body: unknown): Promise<Blob> {
  let answer: Response
  try {
    answer = await send(path, () => ({ method: 'POST', credentials: 'same-origin', headers: { 'x-tocsin': 'console', 'content-type': 'application/json' }, body: JSON.stringify(body) }), body)
  } catch {
    throw new Unreachable('no answer')
  }
  if (answer.ok) return answer.blob()
  if ([502, 503, 504].includes(answer.status)) throw new Unreachable('later')
  throw refusedBy(answer, await answer.json().catch(() => null))
}
