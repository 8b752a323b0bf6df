import { createPinia, setActivePinia } from 'pinia'
import { expect, it, vi } from 'vitest'
import { fetchAhead, isUnfetched, usePages } from './pages'

it('knows code that could not be fetched from every other fault', () => {
  const said = ['Failed to fetch dynamically imported module: http://hub/assets/A.js', 'error loading dynamically imported module: http://hub/assets/A.js', 'Importing a module script failed.', 'Unable to preload CSS for /assets/A.css']
  expect(said.every((message) => isUnfetched(new TypeError(message)))).toBe(true)
  expect([new TypeError('x is undefined'), 'Unable to preload CSS', null].some(isUnfetched)).toBe(false)
})

it('fetches one page after the other and is not stopped by one that cannot be had', async () => {
  const order: string[] = []
  const loader = (name: string, works = true) => vi.fn(async () => { order.push(name); if (!works) throw new TypeError('away') })
  await fetchAhead([loader('a'), loader('b', false), loader('c')], async () => { order.push('·') })
  expect(order).toEqual(['·', 'a', '·', 'b', '·', 'c'])
})

it('starts a page afresh once, not again and again', () => {
  setActivePinia(createPinia())
  const assign = vi.spyOn(location, 'assign').mockImplementation(() => undefined)
  const pages = usePages()
  pages.reopen('/duties')
  pages.reopen('/duties')
  expect(assign.mock.calls).toEqual([['/duties']])
  expect(pages.wanted).toBe('/duties')
  pages.reopen('/map')
  expect(assign).toHaveBeenCalledTimes(2)
})
