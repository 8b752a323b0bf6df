// The report as it is typed: every field present, numbers as text, so that nothing typed is lost to a conversion; and its way to the wire.
import type { Casualties, Crs, Draft, Hazmat, Report, ReportKind } from '@/backend/types'
import { CASUALTIES } from '@/parts/incident'
import { fromInput, toInput } from '@/parts/time'
import { newId } from '@/state/drafts'

export interface LoadDraft {
  un: string
  hin: string
  name: string
  quantity_kg: string
  container: string
  leak: boolean
  fire: boolean
  explosion: boolean
  vehicle_plate: string
  trailer_plate: string
  carrier: string
}

export interface ReportDraft {
  id: string
  kind: ReportKind
  phone: boolean
  incident_id: string
  title: string
  text: string
  occurred: string
  heard: string
  event_types: string[]
  urgent: boolean
  drill: boolean
  place_text: string
  lon: string
  lat: string
  crs: Crs
  adcode: string
  road: string
  road_km: string
  source: string
  cause: string
  course: string
  scope: string
  trend: string
  measures_taken: string
  measures_planned: string
  casualties: Record<keyof Casualties, string>
  loss_yuan: string
  hazmat: LoadDraft[]
  reporter_name: string
  reporter_post: string
  reporter_phone: string
  signed_off_by: string
}

export const blankLoad = (): LoadDraft => ({
  un: '', hin: '', name: '', quantity_kg: '', container: '', leak: false, fire: false, explosion: false, vehicle_plate: '', trailer_plate: '', carrier: '',
})

/** An empty form. The id is made now: sending the same form twice files one report. */
export function blankReport(now_ms: number): ReportDraft {
  return {
    id: newId(now_ms), kind: 'initial', phone: false, incident_id: '', title: '', text: '', occurred: toInput(now_ms), heard: '', event_types: [], urgent: false,
    drill: false, place_text: '', lon: '', lat: '', crs: 'WGS84', adcode: '', road: '', road_km: '', source: '', cause: '', course: '', scope: '', trend: '',
    measures_taken: '', measures_planned: '', casualties: Object.fromEntries(CASUALTIES.map((name) => [name, ''])) as ReportDraft['casualties'], loss_yuan: '',
    hazmat: [], reporter_name: '', reporter_post: '', reporter_phone: '', signed_off_by: '',
  }
}

/** Full-width digits and signs, as Chinese input methods write them, in their plain form. */
export const plain = (text: string): string =>
  text.replace(/[０-９．－＋]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) - 0xfee0)).replace(/[,，\s]/g, '').trim()

function number(text: string | number): number | undefined {
  const said = plain(String(text ?? ''))
  return said === '' ? undefined : Number(said)
}

const words = (text: string): string | undefined => text.trim() || undefined

function compact<T extends object>(record: T): T | undefined {
  const kept = Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined && value !== false && value !== ''))
  return Object.keys(kept).length ? (kept as T) : undefined
}

/** A field whose number cannot be read; named as the hub names it. */
export function unreadable(draft: ReportDraft): string | null {
  const numbers: [string, string][] = [
    ['place.lon', draft.lon], ['place.lat', draft.lat], ['place.road_km', draft.road_km], ['loss_yuan', draft.loss_yuan],
    ...CASUALTIES.map((name) => [`casualties.${name}`, draft.casualties[name]] as [string, string]),
    ...draft.hazmat.map((load, n) => [`hazmat.${n}.quantity_kg`, load.quantity_kg] as [string, string]),
  ]
  return numbers.find(([, text]) => Number.isNaN(number(text) ?? 0))?.[0] ?? null
}

function load(typed: LoadDraft): Hazmat | undefined {
  return compact({
    un: words(plain(typed.un)), hin: words(plain(typed.hin)), name: words(typed.name), quantity_kg: number(typed.quantity_kg), container: words(typed.container),
    leak: typed.leak || undefined, fire: typed.fire || undefined, explosion: typed.explosion || undefined, vehicle_plate: words(typed.vehicle_plate),
    trailer_plate: words(typed.trailer_plate), carrier: words(typed.carrier),
  })
}

/** What goes over the wire: empty fields are left out, since unknown is not zero. */
export function toWire(draft: ReportDraft): Report {
  const [lon, lat] = [number(draft.lon), number(draft.lat)]
  const report: Report = {
    id: draft.id,
    kind: draft.kind,
    occurred_at: fromInput(draft.occurred) ?? draft.occurred,
    heard_at: fromInput(draft.heard) ?? undefined,
    event_types: draft.event_types.length ? draft.event_types : undefined,
    title: words(draft.title),
    text: words(draft.text),
    urgent: draft.urgent || undefined,
    drill: draft.drill || undefined,
    place: {
      text: words(draft.place_text), lon, lat, crs: lon === undefined ? undefined : draft.crs, adcode: words(draft.adcode), road: words(draft.road),
      road_km: number(draft.road_km),
    },
    source: words(draft.source) ?? (draft.phone ? '电话' : undefined),
    cause: words(draft.cause), course: words(draft.course), scope: words(draft.scope), trend: words(draft.trend),
    measures_taken: words(draft.measures_taken), measures_planned: words(draft.measures_planned),
    casualties: compact(Object.fromEntries(CASUALTIES.map((name) => [name, number(draft.casualties[name])])) as Casualties),
    loss_yuan: number(draft.loss_yuan),
    hazmat: draft.hazmat.map(load).filter((one): one is Hazmat => one !== undefined),
    reporter: compact({ name: words(draft.reporter_name), post: words(draft.reporter_post), phone: words(draft.reporter_phone) }),
    signed_off_by: words(draft.signed_off_by),
    incident_id: draft.kind === 'initial' ? undefined : words(draft.incident_id),
  }
  if (!report.hazmat?.length) delete report.hazmat
  return report
}

/**
 * Put what the triage found into fields that are still empty: what a person typed is never overwritten.
 * Returns the names of the fields that were filled.
 */
export function fill(draft: ReportDraft, found: Draft): string[] {
  const { report } = found
  const filled: string[] = []
  const put = (name: keyof ReportDraft, value: string | null | undefined) => {
    if (!value || draft[name]) return
    ;(draft as unknown as Record<string, unknown>)[name] = value
    filled.push(name)
  }
  if (report.drill && !draft.drill) {
    draft.drill = true
    filled.push('drill')
  }
  put('title', report.title)
  put('place_text', report.place?.text)
  put('adcode', report.place?.adcode)
  put('road', report.place?.road)
  put('road_km', report.place?.road_km == null ? null : String(report.place.road_km))
  if (report.place?.lon != null && report.place.lat != null && !draft.lon && !draft.lat) {
    put('lon', String(report.place.lon))
    put('lat', String(report.place.lat))
    draft.crs = report.place.crs ?? 'WGS84'
  }
  put('loss_yuan', report.loss_yuan == null ? null : String(report.loss_yuan))
  put('cause', report.cause)
  if (!draft.event_types.length && report.event_types?.length) {
    draft.event_types = [...report.event_types]
    filled.push('event_types')
  }
  for (const name of CASUALTIES) {
    const n = report.casualties?.[name]
    if (n == null || draft.casualties[name] !== '') continue
    draft.casualties[name] = String(n)
    filled.push(`casualties.${name}`)
  }
  if (!draft.hazmat.length && report.hazmat?.length) {
    draft.hazmat = report.hazmat.map((one) => ({
      ...blankLoad(), un: one.un ?? '', hin: one.hin ?? '', name: one.name ?? '', quantity_kg: one.quantity_kg == null ? '' : String(one.quantity_kg),
      container: one.container ?? '', leak: one.leak ?? false, fire: one.fire ?? false, explosion: one.explosion ?? false,
      vehicle_plate: one.vehicle_plate ?? '', trailer_plate: one.trailer_plate ?? '', carrier: one.carrier ?? '',
    }))
    filled.push('hazmat')
  }
  if (report.occurred_at && !filled.includes('occurred')) {
    draft.occurred = toInput(report.occurred_at)
    filled.push('occurred')
  }
  return filled
}
