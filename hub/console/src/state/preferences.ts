// What this screen prefers: language, theme, size; kept in the browser, since a wall and a desk differ for the same person.
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import type { Locale } from '@/backend/types'

export type Theme = 'dark' | 'light'
/** How large everything is: for a desk, for a person who needs more, for a wall that is read from four metres. */
export const SIZES = ['desk', 'large', 'wall'] as const
export type Size = (typeof SIZES)[number]

function kept<T extends string>(key: string, allowed: readonly T[], otherwise: T): T {
  const value = localStorage.getItem(key) as T | null
  return value && allowed.includes(value) ? value : otherwise
}

export const usePreferences = defineStore('preferences', () => {
  const locale = ref<Locale>(kept('tocsin.locale', ['zh', 'en'], 'zh'))
  const theme = ref<Theme>(kept('tocsin.theme', ['dark', 'light'], 'dark'))

  const size = ref<Size>(kept('tocsin.size', SIZES, 'desk'))
  /** Whether the navigation shows its words; on a narrower desk it begins with the signs alone. */
  const unfolded = ref(kept('tocsin.nav', ['wide', 'narrow'], globalThis.matchMedia?.('(min-width: 1200px)').matches ? 'wide' : 'narrow') === 'wide')
  /** A wall that shows itself alone, without navigation; never kept, so that nobody is locked into it. */
  const bare = ref(false)

  watch(size, (value) => {
    localStorage.setItem('tocsin.size', value)
    document.documentElement.dataset.size = value
  }, { immediate: true })
  watch(unfolded, (value) => localStorage.setItem('tocsin.nav', value ? 'wide' : 'narrow'))
  watch(locale, (value) => {
    localStorage.setItem('tocsin.locale', value)
    document.documentElement.lang = value === 'zh' ? 'zh-CN' : 'en'
  }, { immediate: true })
  watch(theme, (value) => {
    localStorage.setItem('tocsin.theme', value)
    document.documentElement.classList.toggle('dark', value === 'dark')
  }, { immediate: true })

  return { locale, theme, size, unfolded, bare }
})
