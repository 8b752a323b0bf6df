// Chinese and English, one file per noun and language, named alike; zh is what a new screen speaks.
import { createI18n } from 'vue-i18n'
import units from '@/parts/units.json'
import type { Bilingual, Locale } from '@/backend/types'

type Messages = Record<string, Record<string, unknown>>

const files = import.meta.glob<Record<string, unknown>>('./{zh,en}/*.json', { eager: true, import: 'default' })

/** Collect the files of a language: `zh/incidents.json` answers to `incidents.…`. */
export function messages(locale: Locale): Messages {
  const found = Object.entries(files).filter(([path]) => path.startsWith(`./${locale}/`))
  return Object.fromEntries(found.map(([path, content]) => [path.slice(`./${locale}/`.length, -'.json'.length), content]))
}

export const i18n = createI18n({
  legacy: false,
  locale: 'zh',
  messages: { zh: messages('zh'), en: messages('en') } as never,
  missingWarn: false,
  fallbackWarn: false,
})

/** The reader's half of a text that the hub keeps in both languages as `中文 / English`; any other text, people's with a stroke in it too, is given whole. */
export function half(text: string | null | undefined, locale: string): string {
  const [zh, ...rest] = (text ?? '').split(' / ')
  const en = rest.join(' / ')
  return !en || !HAN.test(zh!) || HAN.test(en) ? (text ?? '') : locale === 'zh' ? zh! : en
}
const HAN = /[\u3400-\u9fff]/

/** The unit that stock is counted in, in the reader's language; as it was typed where its English name is not known. */
export const unitOf = (unit: string, locale: string): string => (locale === 'en' ? ((units as Record<string, string>)[unit] ?? unit) : unit)

/** A sentence that came from the hub, in the operator's language. */
export function say(text: Bilingual | string | null | undefined, locale: string): string {
  if (!text) return ''
  return typeof text === 'string' ? text : (text[locale as Locale] ?? text.zh)
}
