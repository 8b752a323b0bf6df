import type { Noun } from '@/noun'

export default {
  routes: [{ path: '/hazmat', name: 'hazmat', component: () => import('./HazmatPage.vue'), meta: { title: 'hazmat.title' } }],
  nav: [{ to: 'hazmat', label: 'hazmat.title', icon: 'M12 3l9 9-9 9-9-9zM12 8v5M12 16v.5', order: 82, needs: 'hazmat.read' }],
} satisfies Noun
