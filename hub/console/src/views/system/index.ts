import type { Noun } from '@/noun'
import { useLive } from '@/state/live'

export default {
  routes: [{ path: '/system', name: 'system', component: () => import('./SystemPage.vue'), meta: { title: 'nav.system' } }],
  nav: [{ to: 'system', label: 'nav.system', icon: 'M4 13h3.5l2-7 4 12 2.5-7.5 1 2.5H20', order: 190, needs: 'admin.health', home: 'admin.settings', badge: () => useLive().degraded.length }],
} satisfies Noun
