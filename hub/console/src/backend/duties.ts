// The data behind duties: documents that are saved whole, each save a version that stays.
import { ask, get } from './http'

export interface LadderStep { offset_min: number; whom: string[]; channels: string[]; ack_within_min?: number; max_age_min?: number; urgent?: boolean; template?: string }
export interface DutyLadder { zh: string; en: string; steps: LadderStep[] }
/** What the hub keeps besides (source, edition, …) is left as it is. */
export interface LaddersDocument { ladders: Record<string, DutyLadder> }
export interface DataVersion<T> { version: number; document: T | null; reason: string; at: string; by: string; by_name: string }
export interface DutyDocument<T> { name: string; document: T; packaged: T; versions: DataVersion<T>[] }

const one = (name: string): string => `/api/v1/duty/data/${encodeURIComponent(name)}`

export const dutyData = {
  read: <T>(name: string) => get<DutyDocument<T>>(one(name)),
  /** `document` null: the product's own again. `based_on`: the version that it was made from (0: never saved). */
  save: (name: string, document: unknown, reason: string, based_on: number) => ask<unknown>('PUT', one(name), { body: { document, reason, based_on } }),
}
/** The number of the newest version; 0 where the document is still the product's own and never was another. */
export const newestOf = (data: DutyDocument<unknown>): number => data.versions[0]?.version ?? 0
