import type { Noun } from '@/noun'

export default {
  routes: [{ path: '/resources', name: 'resources', component: () => import('./ResourcesPage.vue'), meta: { title: 'resources.title' } }],
  nav: [{ to: 'resources', label: 'resources.title', icon: 'M3 7h11v10H3zM14 10h4l3 3v4h-7zM7 20a2 2 0 100-4 2 2 0 000 4M17 20a2 2 0 100-4 2 2 0 000 4', order: 84, needs: 'resource.read' }],
} satisfies Noun
