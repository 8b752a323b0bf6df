// A duty post by name: its department's name is said once, where the post's own does not begin with it.
import type { Locale, OnDuty } from '@/backend/types'

/** The post without its department's name, where that stands beside it: `副班`, `deputy`. */
export function bareName(post: OnDuty['post'], department: string, locale: Locale): string {
  const own = post[locale] || post.zh
  return (own.startsWith(department) ? own.slice(department.length).replace(/^[\s:：·]+/, '') : own) || own
}

export function postName(post: OnDuty['post'], department: string, locale: Locale): string {
  const own = post[locale]
  return own.startsWith(department) ? own : `${department} · ${own}`
}
