import type { Noun } from '@/noun'
import SharingPanel from './SharingPanel.vue'

export default {
  routes: [],
  incidentPanels: [{ order: 50, side: 'aside', panel: SharingPanel }],
} satisfies Noun
