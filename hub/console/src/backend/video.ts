// What the console asks of the hub about cameras, and the socket of a camera's pictures.
import type { Advised } from '@/video/words'
import { ask, file, get, post, send } from './http'

export interface CameraPlace {
  name?: string | null; enterprise_id?: string | null; lon?: number | null; lat?: number | null; height_m?: number | null; bearing_deg?: number | null; fov_deg?: number | null
  range_m?: number | null; turns?: boolean; sees?: string[]; road?: string | null; road_km?: number | null; gb28181?: string | null
}
export interface Camera {
  id: string; agent_id: string; camera_id: string; name: string; department_id: string | null; enterprise_id: string | null; place: CameraPlace
  placed?: boolean; health?: string; since?: string | null; measure?: string | null; troubles?: string[]; codec?: string | null; width?: number; height?: number; dropped_audio?: string | null; advised?: Advised | null
}
export interface CameraRow { camera: Camera; preview_age_s?: number | null; viewers?: number; incidents?: string[]; may_watch?: boolean; reason_needed?: boolean }
export interface Enterprise { id: string; zh: string; en?: string; lon?: number | null; lat?: number | null; hazard_level?: number | null; address?: string | null; substances?: string[]; department_id?: string | null; demo?: boolean }
/** An enterprise's name in the reader's language, its id where nothing is known of it. */
export function enterpriseName(all: Enterprise[], id: string | null, locale: string): string {
  const found = all.find((one) => one.id === id)
  return (locale === 'en' && found?.en) || found?.zh || id || ''
}

export interface Why { code: string; zh: string; en: string }
export interface LinkedCamera { agent_id: string; camera_id: string; name: string; score: number; reasons: Why[]; distance_m?: number | null; recorded?: boolean; plays?: boolean }
export interface Rates { from_at: string; to_at: string; rate: number | null; enterprises: { enterprise_id: string; cameras: number; rate: number; known_s: number }[] }
export interface RollcallLine { enterprise_id: string; camera_id: string | null; answered: boolean; health: string; troubles?: string[]; age_s?: number | null }
export interface Rollcall { id: string; at: string; answered: number; called: number; lines: RollcallLine[]; enterprises: Enterprise[] }
export interface Segment { n: number; sha256: string; size_bytes: number; first_wall_ms: number; last_wall_ms: number; lost?: number; pre_event?: boolean }
export interface Recording { id: string; agent_id: string; camera_id: string; started_at: string; ended_at?: string | null; evidence?: boolean; troubles?: string[] }

const path = (id: string): string => `/api/v1/feeds/${id.split('/').map(encodeURIComponent).join('/')}`

export const video = {
  cameras: () => get<{ items: CameraRow[]; enterprises: Enterprise[]; seq: number }>('/api/v1/cameras'),
  ofIncident: (id: string) => get<{ items: { link: LinkedCamera; camera: CameraRow }[]; most_streams: number; seq: number }>(`/api/v1/incidents/${encodeURIComponent(id)}/cameras`),
  rollcall: () => post<Rollcall>('/api/v1/rollcalls'),
  recordings: (incident_id: string) => get<{ items: { recording: Recording; segments: Segment[] }[] }>(`/api/v1/incidents/${encodeURIComponent(incident_id)}/recordings`),
  rates: (span: string) => get<Rates>(`/api/v1/cameras/rates?span=${span}`),
  mark: (id: string, body: { incident_id: string; wall_ms: number; text: string }) => post<unknown>(`${path(id)}/mark`, body),
  register: (id: string, place: CameraPlace) => ask<Camera>('PUT', `/api/v1/cameras/${id.split('/').map(encodeURIComponent).join('/')}`, { body: place }),
  preview: (id: string, turn: number) => `${path(id)}/preview.jpg?t=${turn}`,
  /** The last small picture, when the agent took it (its clock, ms) and how long the hub has had it; null where there is none. */
  previewNow: async (id: string): Promise<{ blob: Blob; wall_ms: number; age_ms: number } | null> => {
    const answer = await fetch(`${path(id)}/preview.jpg`, { credentials: 'same-origin', cache: 'no-store' })
    if (!answer.ok) return null
    return { blob: await answer.blob(), wall_ms: Number(answer.headers.get('x-wall-ms')) || Date.now(), age_ms: Number(answer.headers.get('x-age-ms')) || 0 }
  },
  snapshot: async (id: string, reason: string): Promise<Blob> => {
    const answer = await send(`${path(id)}/snapshot?reason=${encodeURIComponent(reason)}`, () => ({ method: 'POST', credentials: 'same-origin', headers: { 'x-tocsin': 'console' } }), { reason })
    if (!answer.ok) throw new Error(String(answer.status))
    return answer.blob()
  },
  clip: (recording_id: string, body: { from_ms: number; to_ms: number; reason: string }): Promise<Blob> => file(`/api/v1/recordings/${encodeURIComponent(recording_id)}/clip`, body),
  /** The socket of a camera's pictures; messages are ArrayBuffers, the first is a JSON text. */
  dial: (id: string, options: { quality?: string; fragment_s?: number; reason?: string }): WebSocket => {
    const { protocol, host } = globalThis.location
    const query = new URLSearchParams(Object.entries(options).filter(([, v]) => v !== undefined && v !== '').map(([k, v]) => [k, String(v)])).toString()
    const socket = new WebSocket(`${protocol === 'https:' ? 'wss' : 'ws'}://${host}${path(id)}${query ? `?${query}` : ''}`)
    socket.binaryType = 'arraybuffer'
    return socket
  },
}
