import type { Noun } from '@/noun'

export default {
  routes: [{ path: '/organisation', name: 'organisation', component: () => import('./OrganisationPage.vue'), meta: { title: 'nav.organisation' } }],
  nav: [{ to: 'organisation', label: 'nav.organisation', icon: 'M9 4h6v5H9zM3 15h6v5H3zM15 15h6v5h-6zM12 9v3M6 15v-3h12v3', order: 150, needs: 'organisation.read', home: 'admin.appoint' }],
} satisfies Noun
