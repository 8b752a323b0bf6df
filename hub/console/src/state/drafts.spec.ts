import { flushPromises, mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'
import { defineComponent, h } from 'vue'
import type { Session } from '@/backend/types'
import { draftsOf, forgetDrafts, useDraft } from './drafts'
import { useSession } from './session'

const Note = defineComponent({
  setup() {
    const { draft } = useDraft('note', () => ({ text: '' }))
    return { draft }
  },
  render() {
    return h('p', this.draft.text)
  },
})

async function noteOf(person: string) {
  useSession().who = { person: { id: person } } as Session
  const note = mount(Note)
  await flushPromises()
  return note
}

beforeEach(() => {
  localStorage.clear()
  setActivePinia(createPinia())
})

describe('a draft', () => {
  it('belongs to whom typed it: the next one at this browser does not see it, and the first finds it again', async () => {
    const first = await noteOf('a')
    first.vm.draft.text = '有白色气雾'
    first.unmount()
    expect((await noteOf('b')).text()).toBe('')
    expect((await noteOf('a')).text()).toBe('有白色气雾')
  })

  it('is deleted with the sign-out of its owner, and of nobody else', async () => {
    for (const person of ['a', 'b']) (await noteOf(person)).vm.draft.text = person
    forgetDrafts('a')
    expect([draftsOf('a'), draftsOf('b')]).toEqual([0, 1])
  })

  it('is none where a form was only opened', async () => {
    await noteOf('a')
    expect(draftsOf('a')).toBe(0)
  })
})
