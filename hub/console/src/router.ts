// Addresses of the console (history mode). A sign-in link carries its token behind `#`, which browsers never send, so that no log can hold it.
import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import { homeOf, mayEnter, nouns } from './noun'
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
  return router
}
