import type { Noun } from '@/noun'

export default {
  routes: [{ path: '/account', name: 'account', component: () => import('./AccountPage.vue'), meta: { title: 'account.title' } }],
} satisfies Noun
