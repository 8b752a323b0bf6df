import type { Noun } from '@/noun'

export default {
  // the worker that keeps the page without signal reaches below `/field/` only
  routes: [{ path: '/field', strict: true, redirect: '/field/' }, { path: '/field/', strict: true, name: 'field', component: () => import('./FieldPage.vue'), meta: { open: true, title: 'field.title' } }],
  nav: [{ to: 'field', label: 'field.title', icon: 'M8 2h8v20H8zM11 18h2', order: 86, needs: 'task.read' }],
} satisfies Noun
