import { flushPromises, mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { hub, Unreachable } from '@/backend'
import type { Finding } from '@/backend/types'
import { i18n } from '@/i18n'
import SelfCheck from './SelfCheck.vue'

const one = (part: string, state: Finding['state'], act = ''): Finding => ({ part, state, zh: `${part}的情况`, en: `how ${part} is`, do: act })
const shown = async () => {
  const panel = mount(SelfCheck, { global: { plugins: [i18n] } })
  await flushPromises()
  return panel
}

beforeEach(() => setActivePinia(createPinia()))
afterEach(() => vi.restoreAllMocks())

it('puts what must be mended first, with what to do, and names what is well', async () => {
  vi.spyOn(hub, 'selfCheck').mockResolvedValue({ at: '2026-11-23T06:00:00Z', items: [
    one('disk', 'ok'), one('reactors', 'warn', '在日志中查找 / look in the log'), one('chain', 'bad', 'tocsin audit verify')] })
  const panel = await shown()
  const found = panel.findAll('[data-test=finding]').map((row) => row.text())
  expect(found[0]).toContain('tocsin audit verify')
  expect(found[1]).toContain('reactors的情况')
  expect(found[1]).toContain('在日志中查找')
  expect(found[1]).not.toContain('look in the log')
  expect(panel.get('[data-test=well]').text()).toContain('磁盘')
})

it('says what went wrong where it cannot look, and looks again when asked', async () => {
  const asked = vi.spyOn(hub, 'selfCheck').mockRejectedValueOnce(new Unreachable()).mockResolvedValue({ at: '2026-11-23T06:00:00Z', items: [one('disk', 'ok')] })
  const panel = await shown()
  expect(panel.find('[role=alert]').exists()).toBe(true)
  await panel.get('[data-test=look-again]').trigger('click')
  await flushPromises()
  expect([panel.find('[role=alert]').exists(), panel.find('[data-test=finding]').exists(), asked.mock.calls.length]).toEqual([false, false, 2])
})
