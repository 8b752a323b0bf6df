// What this screen prefers: language, theme, size; kept in the browser, since a wall and a desk differ for the same person.
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import type { Locale } from '@/backend/types'

export type Theme = 'dark' | 'light'

function kept<T extends string>(key: string, allowed: readonly T[], otherwise: T): T {
  const value = localStorage.getItem(key) as T | null
  return value && allowed.includes(value) ? value : otherwise
}

export const usePreferences = defineStore('preferences', () => {
  const locale = ref<Locale>(kept('tocsin.locale', ['zh', 'en'], 'zh'))
  const theme = ref<Theme>(kept('tocsin.theme', ['dark', 'light'], 'dark'))

  watch(locale, (value) => {
    localStorage.setItem('tocsin.locale', value)
    document.documentElement.lang = value === 'zh' ? 'zh-CN' : 'en'
  }, { immediate: true })
  watch(theme, (value) => {
    localStorage.setItem('tocsin.theme', value)
    document.documentElement.classList.toggle('dark', value === 'dark')
  }, { immediate: true })

  return { locale, theme }
})
