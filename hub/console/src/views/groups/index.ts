import type { Noun } from '@/noun'

export default {
  routes: [
    { path: '/groups', name: 'groups', component: () => import('./GroupsPage.vue'), meta: { title: 'groups.nav' } },
    { path: '/groups/:id', name: 'group', component: () => import('./GroupsPage.vue'), props: true, meta: { title: 'groups.nav' } },
  ],
  nav: [{ to: 'groups', label: 'groups.nav', icon: 'M4 5h16v11H9l-5 4zM8 9h8M8 12h5', order: 70, needs: 'group.read' }],
} satisfies Noun
