import type { Noun } from '@/noun'
import { useNotices } from '@/state/notices'

export default {
  routes: [{ path: '/notices', name: 'notices', component: () => import('./NoticesPage.vue'), meta: { title: 'notices.nav' } }],
  nav: [{ to: 'notices', label: 'notices.nav', icon: 'M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 20.5h4', order: 52, needs: 'obligation.list', badge: () => useNotices().waiting.length }],
} satisfies Noun
