import { describe, expect, it } from 'vitest'
import { lines } from './differences'

describe('what differs between two plans', () => {
  it('gives plain values before and after, and leaves out what always differs', () => {
    const found = lines([{ field: 'version', before: 1, after: 2 }, { field: 'status', before: 'in_force', after: 'draft' }, { field: 'tasks.cordon.due_min', before: 15, after: 10 }], 'zh')
    expect(found).toEqual([{ field: 'tasks.cordon.due_min', kind: 'changed', before: '15', after: '10' }])
  })

  it('names a part that stands on one side only by its words', () => {
    const task = { text: { zh: '封路', en: 'close the road' }, due_min: 5 }
    expect(lines([{ field: 'tasks.close', before: null, after: task }], 'en')).toEqual([{ field: 'tasks.close', kind: 'added', before: null, after: 'close the road' }])
    expect(lines([{ field: 'tasks.close', before: task, after: null }], 'zh')).toEqual([{ field: 'tasks.close', kind: 'removed', before: '封路', after: null }])
  })
})
