// A duty post by name: its department's name is said once, where the post's own does not begin with it.
import type { Locale, OnDuty } from '@/backend/types'

export function postName(post: OnDuty['post'], department: string, locale: Locale): string {
  const own = post[locale]
  return own.startsWith(department) ? own : `${department} · ${own}`
}
