// What the card of a chosen thing says: its kind, the facts that matter, where to read more. Words come from the language files, facts from the stores.
import type { RouteLocationRaw } from 'vue-router'
import { useI18n } from 'vue-i18n'
import type { Locale } from '@/backend/types'
import { unitOf } from '@/i18n'
import { loadLine } from '@/parts/incident'
import { coarse, moment } from '@/parts/time'
import { useClock } from '@/state/clock'
import { useDirectory } from '@/state/directory'
import { useIncidents } from '@/state/incidents'
import { useSurroundings } from '@/state/surroundings'
import { useZones } from '@/state/zones'
import type { LayerId } from './layers'

export interface Card {
  kind: string
  title: string
  lines: { label: string; text: string; bad?: boolean }[]
  to?: RouteLocationRaw
  toWords?: string
  /** The camera whose preview the card shows. */
  camera?: string
  demo?: boolean
}

const WINDS = ['n', 'ne', 'e', 'se', 's', 'sw', 'w', 'nw'] as const
/** The name of where a wind comes from, of eight. */
export const windOf = (from_deg: number): (typeof WINDS)[number] => WINDS[Math.round((((from_deg % 360) + 360) % 360) / 45) % 8]!

export function useCard(): (layer: LayerId, id: string) => Card | null {
  const [clock, directory, incidents, surroundings, zones] = [useClock(), useDirectory(), useIncidents(), useSurroundings(), useZones()]
  const { t, te, locale } = useI18n()
  const lang = (): Locale => locale.value as Locale
  const metres = (m: number): string => (m >= 1000 ? `${(m / 1000).toFixed(1)} km` : `${Math.round(m)} m`)
  const department = (id: string | null | undefined): string => (id ? directory.department(id, lang()) : '—')
  const ago = (at: string | null | undefined): string => (at ? t('map.ago', { age: coarse(clock.now - Date.parse(at), lang()) }) : '')

  function incident(id: string): Card | null {
    const one = incidents.all[id]
    if (!one) return null
    return {
      kind: t('map.layers.incidents'), title: one.title, to: { name: 'incident', params: { id } }, toWords: t('map.openIncident'), lines: [
        { label: t('map.state'), text: incidents.rings(one) ? t('map.waits') : t(`incident.states.${one.state}`), bad: incidents.rings(one) },
        { label: t('incident.occurred'), text: moment(one.occurred_at, clock.now, lang()) },
        { label: t('incident.place'), text: one.place.text ?? '—' },
        ...one.hazmat.map((load) => ({ label: t('incident.load'), text: loadLine(load) })),
      ],
    }
  }

  function zone(id: string): Card | null {
    const view = zones.all[id]
    if (!view) return null
    const wind = view.wind ? [view.wind.from_deg == null ? null : t(`map.winds.${windOf(view.wind.from_deg)}`), view.wind.text, view.wind_source?.replace(/^agent:/, ''), ago(view.wind.observed_at)].filter(Boolean).join(' · ') : t('plans.noWind')
    return {
      kind: t('map.layers.zones'), title: view.title[lang()], to: { name: 'incident', params: { id } }, toWords: t('map.openIncident'), lines: [
        ...view.zones.map((one) => ({ label: t(`plans.zone.${one.kind}`), text: `${metres(one.radius.value)}${one.radius.plus ? '+' : ''} · ${one.radius.edition} ${one.radius.table}` })),
        { label: t('plans.wind'), text: wind },
        ...(view.staging ? [{ label: t('plans.staging'), text: view.staging.approach[lang()] }] : []),
        { label: t('map.people'), text: t('plans.people', { n: view.evacuation.reduce((sum, one) => sum + (one.population ?? 0), 0) }) },
      ],
    }
  }

  function camera(id: string): Card | null {
    const one = surroundings.registers.cameras[id]
    if (!one) return null
    const health = one.health ?? 'connecting'
    const { bearing_deg, fov_deg, range_m } = one.place
    return {
      kind: t('map.layers.cameras'), title: one.name, camera: id, to: { name: 'wall', query: { camera: id } }, toWords: t('map.openCamera'), lines: [
        { label: t('map.state'), text: [te(`video.health.${health}`) ? t(`video.health.${health}`) : health, ago(one.since)].filter(Boolean).join(' · '), bad: health !== 'online' },
        ...(bearing_deg == null ? [{ label: t('map.sight'), text: t('map.noSight') }] : [{ label: t('map.sight'), text: t('map.sees', { bearing: Math.round(bearing_deg), fov: Math.round(fov_deg ?? 60), range: range_m == null ? '—' : metres(range_m) }) }]),
        ...(one.enterprise_id ? [{ label: t('map.layers.enterprises'), text: surroundings.registers.enterprises[one.enterprise_id]?.[lang()] ?? one.enterprise_id }] : []),
      ],
    }
  }

  function enterprise(id: string): Card | null {
    const one = surroundings.registers.enterprises[id]
    if (!one) return null
    const own = surroundings.cameras.filter((each) => each.enterprise_id === id)
    const well = own.filter((each) => each.health === 'online').length
    return {
      kind: t('map.layers.enterprises'), title: one[lang()] || one.zh, demo: one.demo, lines: [
        ...(one.hazard_level ? [{ label: t('map.hazard'), text: t('map.hazardLevel', { level: one.hazard_level }) }] : []),
        ...(one.address ? [{ label: t('incident.place'), text: one.address }] : []),
        ...(one.substances?.length ? [{ label: t('map.substances'), text: one.substances.join(t('shell.comma')) }] : []),
        { label: t('map.layers.cameras'), text: own.length ? t('map.camerasWell', { well, all: own.length }) : t('video.noCamera'), bad: well < own.length || !own.length },
      ],
      ...(own[0] ? { camera: own[0].id, to: { name: 'wall', query: { search: one.zh } }, toWords: t('map.openCameras') } : {}),
    }
  }

  function receptor(id: string): Card | null {
    const known = Object.values(zones.all).flatMap((view) => [...view.affected, ...view.junctions_to_close].map((one) => ({ ...one, view }))).filter((one) => one.receptor.id === id)
    const one = surroundings.receptors.find((each) => each.id === id) ?? known[0]?.receptor
    if (!one) return null
    return {
      kind: te(`map.receptor.${one.kind}`) ? t(`map.receptor.${one.kind}`) : t('map.layers.receptors'), title: lang() === 'zh' ? one.name_zh : one.name_en || one.name_zh, demo: one.demo, lines: [
        ...(one.population == null ? [] : [{ label: t('map.people'), text: t('plans.people', { n: one.population }) }]),
        ...known.map((each) => ({ label: t('map.inZone'), text: `${each.view.title[lang()]} · ${metres(each.distance_m)}`, bad: true })),
      ],
      ...(known[0] ? { to: { name: 'incident', params: { id: known[0].view.incident_id } }, toWords: t('map.openIncident') } : {}),
    }
  }

  function resource(id: string): Card | null {
    const one = surroundings.stock[id]
    if (!one) return null
    return {
      kind: t('map.layers.resources'), title: lang() === 'zh' ? one.name_zh : one.name_en || one.name_zh, demo: one.demo, to: { name: 'resources', query: { q: one.name_zh } }, toWords: t('map.openResource'), lines: [
        { label: t('resources.quantity'), text: `${one.quantity - (one.out ?? 0)} / ${one.quantity} ${unitOf(one.unit, lang())}`, bad: one.low_below != null && one.quantity - (one.out ?? 0) < one.low_below },
        { label: t('resources.owner'), text: department(one.department_id) },
        ...(one.place ? [{ label: t('resources.place'), text: one.place }] : []),
        ...(one.contact || one.phone ? [{ label: t('map.contact'), text: [one.contact, one.phone].filter(Boolean).join(' ') }] : []),
      ],
    }
  }

  return (layer, id) => {
    switch (layer) {
      case 'incidents': return incident(id)
      case 'zones': return zone(id)
      case 'cameras': return camera(id)
      case 'enterprises': return enterprise(id)
      case 'receptors': return receptor(id)
      case 'resources': return resource(id)
      case 'towns': return null
    }
  }
}
