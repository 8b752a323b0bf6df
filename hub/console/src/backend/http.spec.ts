import { afterEach, describe, expect, it, vi } from 'vitest'
import { PretendHub } from '../../tests/hub'
import { get, onSignedOut, onWarned, post, Refused, text, Unreachable, type Warning } from './http'
import { checkPlan } from './plans'

afterEach(() => vi.unstubAllGlobals())

function answering(status: number, body: unknown): void {
  const hub = new PretendHub()
  hub.serve()
  hub.answerNext('GET', '/api/v1/x', status, body)
}

describe('a request', () => {
  it('tells that nobody is signed in any more, also where a file was sent or read', async () => {
    let told = 0
    onSignedOut(() => (told += 1))
    vi.stubGlobal('fetch', () => Promise.resolve(new Response('{"code":"signed_out","message":{"zh":"请先登录","en":"sign in first"}}', { status: 401 })))
    await expect(checkPlan('id: a')).rejects.toMatchObject({ status: 401 })
    await expect(text('/api/v1/plans/skeleton')).rejects.toMatchObject({ status: 401 })
    expect(told).toBe(2)
    onSignedOut(() => undefined)
  })

  it('carries a refusal out with its code, its sentence in both languages and its field', async () => {
    answering(422, { code: 'out_of_range', message: { zh: '经度超出范围', en: 'out of range' }, field: 'place.lon' })
    const error = await get('/api/v1/x').catch((one: unknown) => one)
    expect(error).toBeInstanceOf(Refused)
    expect(error).toMatchObject({ status: 422, code: 'out_of_range', field: 'place.lon', sentence: { zh: '经度超出范围', en: 'out of range' } })
  })

  it('reads a refused receipt, whose sentence is one text', async () => {
    answering(422, { id: 'x', status: 'rejected', reason: 'wrong_time', field: 'occurred_at', message: '时间不对 / wrong time' })
    await expect(get('/api/v1/x')).rejects.toMatchObject({ code: 'wrong_time', field: 'occurred_at', sentence: { zh: '时间不对 / wrong time' } })
  })

  it('gives a sentence even where something in front of the hub answered with a page', async () => {
    vi.stubGlobal('fetch', async () => new Response('<html>413</html>', { status: 413 }))
    await expect(get('/api/v1/x')).rejects.toMatchObject({ code: 'http_413', field: null })
  })

  it('is sent again with the warnings that its author has seen, and not without', async () => {
    const warning = { field: 'place.text', start: 1, end: 5, severity: 'warn', zh: '军事信息', en: 'military information', mark: 'abc' }
    const sent: Record<string, string>[] = []
    vi.stubGlobal('fetch', async (_: string, request: RequestInit) => {
      sent.push(request.headers as Record<string, string>)
      if (sent.at(-1)!['x-tocsin-seen'] === 'abc') return new Response('{"done": true}')
      return new Response(JSON.stringify({ code: 'classified_warning', message: { zh: '请核对', en: 'look' }, warnings: [warning, warning] }), { status: 422 })
    })
    const shown: Warning[][] = []
    onWarned(async (warnings) => shown.push(warnings) > 1)
    await expect(post('/api/v1/x', { place: { text: '近部队番号' } })).rejects.toMatchObject({ code: 'classified_warning' })
    await expect(post('/api/v1/x', { place: { text: '近部队番号' } })).resolves.toEqual({ done: true })
    onWarned(null)
    expect(shown).toEqual([[{ ...warning, word: '部队番号' }], [{ ...warning, word: '部队番号' }]])
    expect(sent).toHaveLength(3)
  })

  it.each([502, 503, 504])('says that nobody answers for %i', async (status) => {
    answering(status, { code: 'store_unavailable', message: { zh: '稍后', en: 'later' } })
    await expect(get('/api/v1/x')).rejects.toBeInstanceOf(Unreachable)
  })

  it('says that nobody answers when the line is broken', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('network')))
    await expect(post('/api/v1/x')).rejects.toBeInstanceOf(Unreachable)
  })

  it('tells when nobody is signed in any more', async () => {
    const told = vi.fn()
    onSignedOut(told)
    answering(401, { code: 'not_signed_in', message: { zh: '请先登录', en: 'sign in first' } })
    await expect(get('/api/v1/x')).rejects.toMatchObject({ status: 401 })
    expect(told).toHaveBeenCalledOnce()
  })

  it('leaves empty questions out of the address', async () => {
    const hub = new PretendHub()
    hub.serve()
    await get('/api/v1/incidents', { q: '', before: null, limit: 5 })
    expect(hub.asked[0]!.path).toBe('/api/v1/incidents?limit=5')
  })
})
