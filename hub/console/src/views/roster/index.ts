import type { Noun } from '@/noun'

export default {
  routes: [{ path: '/roster', name: 'roster', component: () => import('./RosterPage.vue'), meta: { title: 'nav.roster' } }],
  nav: [{ to: 'roster', label: 'nav.roster', icon: 'M5 6h14v14H5zM5 10h14M9 3v5M15 3v5', order: 72, needs: 'roster.read' }],
} satisfies Noun
