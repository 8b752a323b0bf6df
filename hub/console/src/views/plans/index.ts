import type { Noun } from '@/noun'
import MatchPanel from './MatchPanel.vue'
import RequestsPanel from './RequestsPanel.vue'
import ResponsePanel from './ResponsePanel.vue'
import ZonesPanel from './ZonesPanel.vue'

export default {
  routes: [
    { path: '/plans', name: 'plans', component: () => import('./PlansPage.vue'), meta: { title: 'plans.title' } },
    { path: '/plans/new', name: 'plan-new', component: () => import('./PlanEditor.vue'), meta: { title: 'plans.title' } },
    { path: '/plans/:id', name: 'plan', component: () => import('./PlanPage.vue'), meta: { title: 'plans.title' } },
    { path: '/plans/:id/edit', name: 'plan-edit', component: () => import('./PlanEditor.vue'), meta: { title: 'plans.title' } },
  ],
  nav: [{ to: 'plans', label: 'plans.title', icon: 'M6 3h9l4 4v14H6zM15 3v4h4M9 12h7M9 16h7', order: 80, needs: 'plan.read' }],
  incidentPanels: [
    { order: 5, side: 'main', panel: ResponsePanel },
    { order: 5.5, side: 'main', panel: RequestsPanel },
    { order: 6, side: 'main', panel: ZonesPanel },
    { order: 7, side: 'main', panel: MatchPanel },
  ],
} satisfies Noun
