import type { Noun } from '@/noun'

export default {
  routes: [{ path: '/quarantine', name: 'quarantine', component: () => import('./QuarantinePage.vue'), meta: { title: 'nav.quarantine' } }],
  nav: [{ to: 'quarantine', label: 'nav.quarantine', icon: 'M5 8h14v12H5zM8 8V5h8v3M9 12l6 5M15 12l-6 5', order: 110, needs: 'quarantine.read' }],
} satisfies Noun
