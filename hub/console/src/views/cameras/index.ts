import type { Noun } from '@/noun'
import CameraStrip from './CameraStrip.vue'

export default {
  routes: [{ path: '/rollcall', name: 'rollcall', component: () => import('./RollcallPage.vue'), meta: { title: 'video.rollcall' } }],
  nav: [{ to: 'rollcall', label: 'video.rollcall', icon: 'M4 6h9v12H4zM13 10l6-3v10l-6-3M7 10h3M7 13h3', order: 28, needs: 'rollcall.run' }],
  incidentPanels: [{ order: 5, side: 'main', panel: CameraStrip }],
} satisfies Noun
