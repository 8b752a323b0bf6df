import type { Noun } from '@/noun'
import { useIncidents } from '@/state/incidents'

export default {
  routes: [
    { path: '/incidents', name: 'incidents', component: () => import('./IncidentList.vue'), meta: { title: 'nav.incidents' } },
    { path: '/incidents/:id', name: 'incident', component: () => import('./IncidentPage.vue'), props: true, meta: { title: 'incident.one' } },
  ],
  nav: [{ to: 'incidents', label: 'nav.incidents', icon: 'M5 5h14M5 10h14M5 15h9M5 20h6', order: 10, needs: 'incident.list', home: 'incident.take', phone: true, badge: () => useIncidents().waiting.length }],
} satisfies Noun
