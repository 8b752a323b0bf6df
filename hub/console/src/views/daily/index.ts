import type { Noun } from '@/noun'
import { useDaily } from '@/state/daily'

export default {
  routes: [
    { path: '/daily', name: 'daily', component: () => import('./DailyPage.vue'), meta: { title: 'daily.nav' } },
    { path: '/daily/:id', name: 'dailyReport', component: () => import('./DailyReport.vue'), props: true, meta: { title: 'daily.nav' } },
    { path: '/board', name: 'board', component: () => import('./BoardPage.vue'), meta: { title: 'daily.board' } },
    { path: '/digest', name: 'digest', component: () => import('./DigestPage.vue'), meta: { title: 'daily.digest' } },
  ],
  nav: [
    { to: 'daily', label: 'daily.nav', icon: 'M6 3h9l4 4v14H6zM14 3v5h5M9 13l2 2 4-4', order: 55, needs: 'daily.board', phone: true, badge: () => useDaily().owed.length },
    { to: 'board', label: 'daily.board', icon: 'M4 20V10M10 20V4M16 20v-7M22 20H2', order: 60, needs: 'daily.board' },
    { to: 'digest', label: 'daily.digest', icon: 'M5 4h14v16H5zM8 8h8M8 12h8M8 16h5', order: 65, needs: 'digest.read' },
  ],
} satisfies Noun
