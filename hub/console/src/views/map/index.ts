import type { Noun } from '@/noun'

export default {
  routes: [{ path: '/map', name: 'map', component: () => import('./MapPage.vue'), meta: { title: 'nav.map' } }],
  nav: [{ to: 'map', label: 'nav.map', icon: 'M9 4 3.5 6.5v14L9 18l6 2.5 5.5-2.5V4L15 6.5zM9 4v14M15 6.5v14', order: 20, needs: 'incident.list', phone: true }],
} satisfies Noun
