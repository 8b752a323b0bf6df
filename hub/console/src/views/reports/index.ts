import type { Noun } from '@/noun'

export default {
  routes: [{ path: '/reports/new', name: 'report-new', component: () => import('./ReportForm.vue'), meta: { title: 'report.new' } }],
  nav: [{ to: 'report-new', label: 'nav.report', icon: 'M12 5v14M5 12h14', order: 30, needs: 'report.file', phone: true }],
} satisfies Noun
