// What a tile says of itself: what is wrong in words, and that what opened by itself closes by itself unless somebody holds it.
import { createPinia } from 'pinia'
import { createApp, h, nextTick, reactive } from 'vue'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { i18n } from '@/i18n'
import CameraTile from './CameraTile.vue'

const props = reactive({ id: 'plant/a', name: 'A', health: 'online', troubles: [] as string[], auto: false, pinned: false, previews: false, sub: false })
const sockets: { url: string; onmessage: (event: { data: unknown }) => void; closed: boolean }[] = []
let stop = (): void => undefined
const root = document.createElement('div')
const said = (): string[] => [...root.querySelectorAll('[data-test=trouble]')].map((one) => one.textContent ?? '')
const state = (): string | null => root.querySelector('[data-test=tile]')!.getAttribute('data-state')
const settle = async (): Promise<void> => {
  for (let n = 0; n < 4; n++) await nextTick()
}

beforeEach(() => {
  Object.assign(props, { troubles: [], auto: false, pinned: false, sub: false })
  sockets.length = 0
  vi.stubGlobal('WebSocket', class { closed = false; onmessage = () => undefined; constructor(readonly url: string) { sockets.push(this) } close(): void { this.closed = true } })
  vi.stubGlobal('MediaSource', class extends EventTarget { static isTypeSupported = (): boolean => true })
  URL.createObjectURL = () => 'blob:x'
  URL.revokeObjectURL = () => undefined
  Object.assign(HTMLVideoElement.prototype, { requestVideoFrameCallback: () => 0, load: () => undefined })
  const app = createApp(() => h(CameraTile, props))
  app.use(createPinia()).use(i18n).mount(root)
  stop = () => app.unmount()
})
afterEach(() => {
  stop()
  vi.unstubAllGlobals()
})

describe('a tile', () => {
  it('says in words what is wrong with its camera, and an unknown code as it came', async () => {
    i18n.global.locale.value = 'en'
    props.troubles = ['timeout', 'flood', 'brand_new', 'clock_wrong_-10950d']
    await settle()
    expect(said()).toEqual(['the camera does not answer', 'the stream is over its limit: key frames only', 'brand_new', 'the camera\'s clock is wrong (-10950 days); pictures bear the agent\'s time'])
    i18n.global.locale.value = 'zh'
    await settle()
    expect(said().slice(0, 2)).toEqual(['摄像机无响应', '码流超过上限，仅关键帧'])
  })

  it('says why pictures are left out as the hub tells it', async () => {
    props.auto = true
    await settle()
    sockets.at(-1)!.onmessage({ data: '{"type":"hello"}' })
    sockets.at(-1)!.onmessage({ data: '{"type":"note","code":"slow_line"}' })
    await settle()
    expect(said()).toEqual(['本机网络过慢，已跳到最新画面'])
  })

  it('asks for the small stream among other tiles and for the main stream alone or in full screen', async () => {
    props.sub = true
    await settle()
    props.auto = true
    await settle()
    const fill = async (element: Element | null): Promise<void> => {
      Object.defineProperty(document, 'fullscreenElement', { configurable: true, get: () => element })
      document.dispatchEvent(new Event('fullscreenchange'))
      await settle()
    }
    await fill(root.querySelector('[data-test=tile]'))
    await fill(null)
    props.sub = false
    await settle()
    expect(sockets.map((one) => one.url.includes('quality=sub'))).toEqual([true, false, true, false])
    expect(sockets.map((one) => one.closed)).toEqual([true, true, true, false])
  })

  it('closes what it opened by itself once other pictures are more telling, but not what is pinned', async () => {
    props.auto = true
    await settle()
    expect(state()).not.toBe('preview')
    props.auto = false
    await settle()
    expect([state(), sockets.at(-1)!.closed]).toEqual(['preview', true])
    props.auto = true
    await settle()
    props.pinned = true
    props.auto = false
    await settle()
    expect(state()).not.toBe('preview')
  })
})
