import type { Noun } from '@/noun'
import CameraStrip from './CameraStrip.vue'

export default {
  routes: [
    { path: '/rollcall', name: 'rollcall', component: () => import('./RollcallPage.vue'), meta: { title: 'video.rollcall' } },
    { path: '/cameras', name: 'cameras', component: () => import('./CamerasPage.vue'), meta: { title: 'video.registry.title' } },
  ],
  nav: [
    { to: 'rollcall', label: 'video.rollcall', icon: 'M4 6h9v12H4zM13 10l6-3v10l-6-3M7 10h3M7 13h3', order: 28, needs: 'rollcall.run' },
    { to: 'cameras', label: 'video.registry.title', icon: 'M3 8h11v8H3zM14 11l6-3v8l-6-3M6 19h6M9 16v3', order: 102, needs: 'camera.edit' },
  ],
  incidentPanels: [{ order: 5, side: 'main', panel: CameraStrip }],
} satisfies Noun
