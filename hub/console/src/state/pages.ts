// The code of pages that nobody has opened yet: fetched while the line is good, so that a hub that is away keeps nobody from turning to them;
// and a page whose code could not be fetched, which is opened as soon as the hub is back.
import { defineStore } from 'pinia'
import { ref } from 'vue'

/** Between two pages fetched ahead (our own choice): what the operator asks for meanwhile goes first. */
const PAUSE_MS = 250
const REOPENED = 'tocsin.reopened'
/** A page that a fresh start did not bring is not started again within this time (our own choice). */
const CALM_MS = 30_000

/** Whether navigating failed because code could not be fetched, in the words of Chromium, Firefox and Safari, and of Vite for styles. */
export const isUnfetched = (error: unknown): boolean =>
  error instanceof Error && /dynamically imported module|importing a module script failed|Unable to preload/i.test(error.message)

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** Fetch one after the other; what cannot be had now is fetched when it is asked for. */
export async function fetchAhead(loaders: (() => Promise<unknown>)[], breath: () => Promise<void> = () => pause(PAUSE_MS)): Promise<void> {
  for (const load of loaders) {
    await breath()
    await load().catch(() => undefined)
  }
}

export const usePages = defineStore('pages', () => {
  /** The address of the page that waits for the hub. */
  const wanted = ref<string | null>(null)

  /** Open a page by a fresh start; one that has just been tried so is left waiting, so that no screen goes round in circles. */
  function reopen(address: string): void {
    const [last, at] = (sessionStorage.getItem(REOPENED) ?? ' ').split(' ')
    wanted.value = address
    if (last === address && Date.now() - Number(at) < CALM_MS) return
    sessionStorage.setItem(REOPENED, `${address} ${Date.now()}`)
    location.assign(address)
  }

  return { wanted, reopen }
})
