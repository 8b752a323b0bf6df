import { describe, expect, it } from 'vitest'
import { columnsOf, orderOf, type Wanted } from './order'

const cameras = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => ({ id, name: `镜头${id}`, health: id === 'e' ? 'covered' : 'online' }))
const wanted = (change: Partial<Wanted> = {}): Wanted => ({ size: 4, pinned: [], auto: [], first: null, words: '', unwell: false, ...change })

describe('what stands on the wall', () => {
  it('is the pinned ones first, then what was asked for, then what an incident opens, then the rest', () => {
    expect(orderOf(cameras, wanted({ pinned: ['d'], auto: ['c', 'f'], first: 'b' }))).toEqual(['d', 'b', 'c', 'f'])
  })

  it('never displaces a pinned tile, however many open by themselves or are searched for', () => {
    const pinned = ['d', 'f']
    for (const size of [1, 4, 9, 16]) {
      for (const change of [{}, { auto: ['a', 'b', 'c', 'e'] }, { words: 'a' }, { unwell: true }, { first: 'a', auto: ['b'] }]) {
        expect(orderOf(cameras, wanted({ size, pinned, ...change })).slice(0, 2)).toEqual(pinned)
      }
    }
  })

  it('is narrowed by words and by the wish for impaired pictures', () => {
    expect(orderOf(cameras, wanted({ words: '镜头B' }))).toEqual(['b'])
    expect(orderOf(cameras, wanted({ unwell: true }))).toEqual(['e'])
  })

  it('leaves out what is no longer registered', () => {
    expect(orderOf(cameras, wanted({ pinned: ['gone'], auto: ['gone too'], size: 1 }))).toEqual(['a'])
  })
})

it.each([[1, 1, 1], [1, 16, 1], [4, 4, 2], [2, 4, 2], [8, 16, 3], [10, 16, 4], [16, 16, 4], [0, 9, 1]])('%i cameras on a wall for %i stand in %i columns', (shown, size, columns) => {
  expect(columnsOf(shown, size)).toBe(columns)
})
