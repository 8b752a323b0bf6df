import type { Noun } from '@/noun'

export default {
  routes: [{ path: '/audit', name: 'audit', component: () => import('./AuditPage.vue'), meta: { title: 'nav.audit' } }],
  nav: [{ to: 'audit', label: 'nav.audit', icon: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1', order: 140, needs: 'audit.read', home: 'audit.read' }],
} satisfies Noun
