import type { Noun } from '@/noun'
import LinkedDock from './LinkedDock.vue'

export default {
  routes: [{ path: '/wall', name: 'wall', component: () => import('./WallPage.vue'), meta: { title: 'video.wall' } }],
  nav: [{ to: 'wall', label: 'video.wall', icon: 'M3.5 5h8v6h-8zM12.5 5h8v6h-8zM3.5 13h8v6h-8zM12.5 13h8v6h-8z', order: 25, needs: 'camera.watch' }],
  overlays: [LinkedDock],
} satisfies Noun
