import type { Noun } from '@/noun'
import { useDaily } from '@/state/daily'
import { useHolidays } from '@/state/holidays'

export default {
  routes: [
    { path: '/daily', name: 'daily', component: () => import('./DailyPage.vue'), meta: { title: 'daily.nav' } },
    { path: '/daily/settings', name: 'dailySettings', component: () => import('./SettingsPage.vue'), meta: { title: 'daily.settings.nav' } },
    { path: '/calendar', name: 'calendar', component: () => import('./CalendarPage.vue'), meta: { title: 'daily.settings.tabs.calendar' } },
    { path: '/daily/:id', name: 'dailyReport', component: () => import('./DailyReport.vue'), props: true, meta: { title: 'daily.nav' } },
    { path: '/board', name: 'board', component: () => import('./BoardPage.vue'), meta: { title: 'daily.board' } },
    { path: '/digest', name: 'digest', component: () => import('./DigestPage.vue'), meta: { title: 'daily.digest' } },
  ],
  nav: [
    { to: 'daily', label: 'daily.nav', icon: 'M6 3h9l4 4v14H6zM14 3v5h5M9 13l2 2 4-4', order: 55, needs: 'daily.board', phone: { without: 'daily.return' }, home: 'daily.file', badge: () => useDaily().owed.length },
    { to: 'board', label: 'daily.board', icon: 'M4 20V10M10 20V4M16 20v-7M22 20H2', order: 60, needs: 'daily.board', phone: { with: 'daily.return' } },
    { to: 'digest', label: 'daily.digest', icon: 'M5 4h14v16H5zM8 8h8M8 12h8M8 16h5', order: 65, needs: 'digest.read' },
    { to: 'dailySettings', label: 'daily.settings.nav', icon: 'M4 6h10M18 6h2M4 12h2M10 12h10M4 18h10M18 18h2M16 4v4M8 10v4M16 16v4', order: 112, needs: 'daily.template' },
    { to: 'calendar', label: 'daily.settings.tabs.calendar', icon: 'M4 6h16v14H4zM4 10h16M8 3v5M16 3v5M8 14h3v3H8z', order: 113, needs: 'admin.data', badge: () => (useHolidays().year() ? 1 : 0) },
  ],
} satisfies Noun
