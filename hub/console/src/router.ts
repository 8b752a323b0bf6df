// Addresses of the console (history mode). A sign-in link carries its token behind `#`, which browsers never send, so that no log can hold it.
import { createRouter, createWebHistory, type Router, type RouteRecordRaw } from 'vue-router'
import { homeOf, mayEnter, nouns } from './noun'
import { useLive } from './state/live'
import { isUnfetched, usePages } from './state/pages'
import { useSession } from './state/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** May be seen without being signed in. */
    open?: boolean
    /** Key of the page's title. */
    title?: string
  }
}

const routes: RouteRecordRaw[] = [
  ...nouns.flatMap((noun) => noun.routes),
  { path: '/', name: 'home', component: { render: () => null } },
  { path: '/:rest(.*)*', redirect: { name: 'home' } },
]

export function makeRouter() {
  const router = createRouter({ history: createWebHistory(), routes, scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 } })

  router.beforeEach(async (to) => {
    if (to.path === '/' && to.hash.startsWith('#/')) return to.hash.slice(1)
    if (to.meta.open) return true
    const session = useSession()
    if (!session.asked) await session.load().catch(() => undefined)
    if (!session.signed_in) return { name: 'sign-in', query: to.name === 'home' ? {} : { then: to.fullPath } }
    return to.name === 'home' || !mayEnter(to.name, session.may) ? { name: homeOf(session.may), replace: true } : true
  })
  /** A page whose code cannot be had opens once the hub is back; where the hub is there, it runs a later edition, which a fresh start fetches. */
  router.onError((error, to, from) => {
    if (!isUnfetched(error)) return
    if (useLive().line === 'open' && from.matched.length) usePages().reopen(to.fullPath)
    else usePages().wanted = to.fullPath
  })
  router.afterEach((_to, _from, failure) => void (failure || (usePages().wanted = null)))
  return router
}

/** What fetches the code of each page that this person may enter. */
export function pageLoaders(router: Router, may: (action: string) => boolean): (() => Promise<unknown>)[] {
  return router.getRoutes().filter((route) => !route.meta.open && mayEnter(route.name, may))
    .map((route) => route.components?.default as unknown).filter((one): one is () => Promise<unknown> => typeof one === 'function')
}
