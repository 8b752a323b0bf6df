// What a folder under views/ offers to the console: its routes, and its entry in the navigation. A noun is added by adding a folder.
import type { Component } from 'vue'
import type { RouteRecordRaw } from 'vue-router'

export interface NavEntry {
  /** Name of the route it leads to. */
  to: string
  /** Key of its label in the language files. */
  label: string
  /** The path data of its icon, 24 × 24, drawn with a stroke. */
  icon: string
  /** Place in the navigation: watching is below 50, the daily work below 80, what one looks things up in below 100, administration from 100 on. */
  order: number
  /** Permission without which the entry is not shown. */
  needs?: string
  /** Permission whose holder begins here after signing in; the first such entry counts. */
  home?: string
  /** Whether it stands in the bottom bar of a phone (five at most; the rest is under "more"): for everybody, or for those who hold this permission, or do not. */
  phone?: boolean | { with: string } | { without: string }
  /** A number beside the label, 0 for none. Called during rendering, so it may read stores. */
  badge?: () => number
}

export interface Noun {
  routes: RouteRecordRaw[]
  nav?: NavEntry[]
  /** Something that this noun shows on an incident's page: `main` above the chain of reports, `aside` above the timeline. It is given `incidentId` and `incident`. */
  incidentPanels?: { order: number; side: 'main' | 'aside'; panel: Component }[]
  /** Something that this noun draws below every page while it has to say something (an alarm of its own). */
  overlays?: Component[]
}

const modules = import.meta.glob<{ default: Noun }>('./views/*/index.ts', { eager: true })

export const nouns: Noun[] = Object.values(modules).map((module) => module.default)
export const navigation: NavEntry[] = nouns.flatMap((noun) => noun.nav ?? []).sort((a, b) => a.order - b.order)

/** The page somebody begins with: of those they may enter the first that is home to what they may do, or the first of all. */
export function homeOf(may: (action: string) => boolean, entries: NavEntry[] = navigation): string {
  const open = entries.filter((entry) => !entry.needs || may(entry.needs))
  return (open.find((entry) => entry.home && may(entry.home)) ?? open[0])?.to ?? 'account'
}
/** Whether the page by this name has something to show to whoever may do that. */
export const mayEnter = (name: unknown, may: (action: string) => boolean): boolean => navigation.every((entry) => entry.to !== name || !entry.needs || may(entry.needs))

export const incidentPanels = nouns.flatMap((noun) => noun.incidentPanels ?? []).sort((a, b) => a.order - b.order)
export const overlays: Component[] = nouns.flatMap((noun) => noun.overlays ?? [])
