import type { Noun } from '@/noun'

export default {
  routes: [{ path: '/agents', name: 'agents', component: () => import('./AgentsPage.vue'), meta: { title: 'nav.agents' } }],
  nav: [{ to: 'agents', label: 'nav.agents', icon: 'M12 19v-5M7 9.5a7 7 0 0 1 10 0M4 6.5a11 11 0 0 1 16 0M12 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM8 19h8', order: 100, needs: 'agent.read' }],
} satisfies Noun
