import type { Noun } from '@/noun'

export default {
  routes: [
    { path: '/sign-in', name: 'sign-in', component: () => import('./SignIn.vue'), meta: { open: true, title: 'session.signIn' } },
    { path: '/welcome/:token', name: 'welcome', component: () => import('./Welcome.vue'), props: true, meta: { open: true, title: 'session.welcome' } },
  ],
} satisfies Noun
