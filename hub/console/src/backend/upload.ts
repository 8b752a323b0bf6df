// Files that go along with a report or a post: named by their SHA-256, uploaded in pieces (tus 1.0), taken up again where a piece was lost.
import { refusal, Unreachable } from './http'
import { sha256 } from './sha256'

export interface Attached { sha256: string; name: string; media_type: string; size_bytes: number }

const BASE = '/api/v1/attachments'
const PIECE = 1 << 20
const TRIES = 5
const PATIENCE_MS = 60_000

const plain = (text: string): string => btoa(String.fromCharCode(...new TextEncoder().encode(text)))

async function tus(method: string, address: string, headers: Record<string, string>, body?: Blob): Promise<Response> {
  const answer = await fetch(address, { method, headers: { 'tus-resumable': '1.0.0', 'x-tocsin': 'console', ...headers }, body, signal: AbortSignal.timeout(PATIENCE_MS) })
  if (answer.ok || answer.status === 409) return answer
  throw refusal(answer.status, await answer.json().catch(() => null))
}

/** Upload one file; `onPart` hears the share that has arrived (0 to 1). Raises Refused (no for good) or Unreachable (after five broken tries). */
export async function upload(file: File, onPart: (share: number) => void = () => undefined): Promise<Attached> {
  const hash = await sha256(file)
  const media_type = file.type || 'application/octet-stream'
  const name = file.name.slice(0, 255)
  const begun = await tus('POST', BASE, { 'upload-length': String(file.size), 'upload-metadata': `sha256 ${plain(hash)},filename ${plain(name)},filetype ${plain(media_type)}` })
  const address = begun.headers.get('location')!
  let at = Number(begun.headers.get('upload-offset') ?? '0')
  let broken = 0
  while (at < file.size) {
    try {
      const answer = await tus('PATCH', address, { 'content-type': 'application/offset+octet-stream', 'upload-offset': String(at) }, file.slice(at, at + PIECE))
      if (answer.status === 409) throw new TypeError('another offset')
      at = Number(answer.headers.get('upload-offset'))
      broken = 0
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof DOMException)) throw error
      broken += 1
      if (broken >= TRIES) throw new Unreachable('the upload broke off')
      at = await tus('HEAD', address, {}).then((answer) => Number(answer.headers.get('upload-offset')), () => at)
    }
    onPart(file.size ? at / file.size : 1)
  }
  return { sha256: hash, name, media_type, size_bytes: file.size }
}
