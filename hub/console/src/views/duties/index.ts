import type { Noun } from '@/noun'
import { useDuties } from '@/state/duties'

export default {
  routes: [
    { path: '/duties', name: 'duties', component: () => import('./DutyList.vue'), meta: { title: 'nav.duties' } },
    { path: '/duty-data', name: 'dutyData', component: () => import('./DutyDataPage.vue'), meta: { title: 'duties.data.nav' } },
    { path: '/duties/:id', name: 'duty', component: () => import('./DutyPage.vue'), props: true, meta: { title: 'nav.duties' } },
  ],
  nav: [
    { to: 'duties', label: 'nav.duties', icon: 'M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z', order: 50, needs: 'obligation.list', badge: () => useDuties().late.length },
    { to: 'dutyData', label: 'duties.data.nav', icon: 'M5 5h14v5H5zM5 14h14v5H5zM8 7.5h.01M8 16.5h.01', order: 114, needs: 'admin.data' },
  ],
} satisfies Noun
