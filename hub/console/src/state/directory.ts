// Departments and posts by id, for names on every screen. Not the people: reading them is written into the chain, so it is done only where somebody asks.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { organisation as backend } from '@/backend'
import type { Change, Department, Locale, Post } from '@/backend/types'
import { useLive } from './live'

export const useDirectory = defineStore('directory', () => {
  const departments = ref<Department[]>([])
  const posts = ref<Post[]>([])
  const loaded = ref(false)
  const byId = computed(() => new Map(departments.value.map((one) => [one.id, one])))

  function upsert<T extends { id: string }>(list: T[], one: T): void {
    const at = list.findIndex((held) => held.id === one.id)
    if (at < 0) list.push(one)
    else list[at] = one
  }

  function apply(change: Change): void {
    if (change.body?.department) upsert(departments.value, change.body.department as Department)
    if (change.body?.post) upsert(posts.value, change.body.post as Post)
  }

  async function load(): Promise<void> {
    if (loaded.value) return
    const whole = await backend.whole()
    departments.value = whole.departments
    posts.value = whole.posts
    loaded.value = true
  }

  useLive().listen(apply)

  /** The name of a department; its id where it is not known here. */
  function department(id: string | null | undefined, locale: Locale): string {
    return id ? (byId.value.get(id)?.[locale] ?? id) : '—'
  }

  return { departments, posts, loaded, load, department }
})
