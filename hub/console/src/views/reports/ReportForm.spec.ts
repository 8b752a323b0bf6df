import { flushPromises, mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import { i18n } from '@/i18n'
import { useSession } from '@/state/session'
import { PretendHub } from '../../../tests/hub'
import ReportForm from './ReportForm.vue'

let hub: PretendHub

beforeEach(async () => {
  localStorage.clear()
  setActivePinia(createPinia())
  hub = new PretendHub()
  hub.serve()
  await useSession().load()
})
afterEach(() => vi.unstubAllGlobals())

const filed = () => hub.asked.filter((one) => one.method === 'POST' && one.path.startsWith('/api/v1/reports'))

async function open(path = '/reports/new') {
  const blank = { template: '<i/>' }
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: '/reports/new', name: 'report-new', component: ReportForm }, { path: '/i', name: 'incidents', component: blank }, { path: '/i/:id', name: 'incident', component: blank }],
  })
  await router.push(path)
  const form = mount(ReportForm, { global: { plugins: [i18n, router] } })
  await flushPromises()
  return form
}

describe('the report form', () => {
  it('keeps what was typed when the hub refuses, and says what is wrong at the field', async () => {
    const form = await open()
    await form.get('[name=title]').setValue('罐车侧翻')
    await form.get('[name=lon]').setValue('1191.3')
    await form.get('[name=lat]').setValue('34.86')
    hub.answerNext('POST', '/api/v1/reports', 422, { id: 'x', status: 'rejected', reason: 'out_of_range', field: 'place.lon', message: '经度超出范围' })
    await form.get('form').trigger('submit')
    await flushPromises()
    expect(form.get('[data-field="place.lon"]').text()).toContain('经度超出范围')
    expect((form.get('[name=title]').element as HTMLInputElement).value).toBe('罐车侧翻')
    expect((form.get('[name=lon]').element as HTMLInputElement).value).toBe('1191.3')
  })

  it('keeps it over a reload and a broken line, and sends the same id again', async () => {
    const first = await open()
    await first.get('[name=text]').setValue('有白色气雾')
    hub.answerNext('POST', '/api/v1/reports', 503, { code: 'store_unavailable', message: { zh: '稍后', en: 'later' } })
    await first.get('form').trigger('submit')
    await flushPromises()
    first.unmount()
    const second = await open()
    expect((second.get('[name=text]').element as HTMLTextAreaElement).value).toBe('有白色气雾')
    hub.answerNext('POST', '/api/v1/reports', 201, { id: 'x', status: 'stored', receipt_no: '20261123-000042', stored_at: hub.at(), seq: 5, incident_id: 'i' })
    await second.get('form').trigger('submit')
    await flushPromises()
    const sent = filed().map((one) => (one.body as { id: string }).id)
    expect(sent).toHaveLength(2)
    expect(sent[0]).toBe(sent[1])
    expect(second.get('[data-test=receipt]').text()).toContain('20261123-000042')
  })

  it('forgets the draft only after the receipt', async () => {
    const form = await open()
    await form.get('[name=title]').setValue('火灾')
    hub.answerNext('POST', '/api/v1/reports', 201, { id: 'x', status: 'stored', receipt_no: '20261123-000043', stored_at: hub.at(), seq: 5, incident_id: 'i' })
    await form.get('form').trigger('submit')
    await flushPromises()
    form.unmount()
    const fresh = await open()
    expect((fresh.get('[name=title]').element as HTMLInputElement).value).toBe('')
  })

  it('does not send what looks classified; of what only may be, the hub is asked', async () => {
    const form = await open()
    await form.get('[name=title]').setValue('机密 部署')
    const hit = { field: 'title', start: 0, end: 2, zh: '密级标志', en: 'a marking' }
    hub.answerNext('POST', '/api/v1/classified', 200, { items: [{ ...hit, severity: 'refuse' }] })
    await form.get('form').trigger('submit')
    await flushPromises()
    expect(form.get('[data-test=classified]').text()).toContain('“机密”')
    expect(filed()).toEqual([])
    hub.answerNext('POST', '/api/v1/classified', 200, { items: [{ ...hit, severity: 'warn' }] })
    hub.answerNext('POST', '/api/v1/reports', 201, { id: 'x', status: 'stored', receipt_no: '1', stored_at: hub.at(), seq: 5, incident_id: 'i' })
    await form.get('form').trigger('submit')
    await flushPromises()
    expect(filed()).toHaveLength(1)
  })

  it('stamps the time of the call when a telephone note begins, and files it as a telephone note', async () => {
    const form = await open('/reports/new?phone=1')
    expect((form.get('[name=heard]').element as HTMLInputElement).value).toMatch(/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}$/)
    await form.get('[name=caller]').setValue('李明')
    await form.get('[name=text]').setValue('罐车漏了')
    hub.answerNext('POST', '/api/v1/reports', 201, { id: 'x', status: 'stored', receipt_no: '1', stored_at: hub.at(), seq: 5, incident_id: 'i' })
    await form.get('form').trigger('submit')
    await flushPromises()
    const sent = filed()[0]!
    expect(sent.path).toBe('/api/v1/reports?channel=phone')
    expect(sent.body).toMatchObject({ reporter: { name: '李明' }, heard_at: expect.stringMatching(/\+08:00$/) as string })
  })
})
