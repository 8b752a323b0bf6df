// Lets the phone keep the field page: the worker, everything that the page has loaded so far, and what it will ask for.
const DATA = ['/api/v1/hazmat/bundle', '/api/v1/session', '/api/v1/tasks', '/api/v1/zones', '/api/v1/event-types', '/api/v1/organisation', '/geo/district.json', '/geo/towns.json', '/field/']

/** True when the page works without signal from now on; false where the browser has no service worker or the page is not secure. */
export async function keepOffline(): Promise<boolean> {
  if (!('serviceWorker' in navigator)) return false
  const registration = await navigator.serviceWorker.register('/field/worker.js', { scope: '/field/' })
  await activated(registration)
  const loaded = performance.getEntriesByType('resource').map((entry) => new URL(entry.name)).filter((url) => url.origin === location.origin && url.pathname.startsWith('/assets/')).map((url) => url.pathname)
  const wanted = [...new Set([...DATA, ...loaded])]
  return new Promise((resolve) => {
    const channel = new MessageChannel()
    channel.port1.onmessage = (event: MessageEvent<{ kept: number }>) => resolve(event.data.kept >= wanted.length - 3)
    registration.active?.postMessage({ keep: wanted }, [channel.port2])
  })
}

/** When the hub gave the tasks that this phone keeps (ms); null where none are kept. What the worker answers from the cache is as old as this. */
export async function keptAt(): Promise<number | null> {
  if (!('caches' in globalThis)) return null
  const date = (await caches.match('/api/v1/tasks'))?.headers.get('date')
  return date ? Date.parse(date) : null
}

/** Wait for the worker to stand. (`ready` would not do: it waits for ever where the page was opened at `/field`, without its slash.) */
function activated(registration: ServiceWorkerRegistration): Promise<void> {
  const worker = registration.active ?? registration.waiting ?? registration.installing
  if (!worker || worker.state === 'activated') return Promise.resolve()
  return new Promise((resolve) => worker.addEventListener('statechange', () => worker.state === 'activated' && resolve()))
}

/** Name the page's manifest, so that it can be installed. */
export function offerInstall(): void {
  if (document.querySelector('link[rel=manifest]')) return
  const link = document.createElement('link')
  link.rel = 'manifest'
  link.href = '/field/manifest.webmanifest'
  document.head.append(link)
}
