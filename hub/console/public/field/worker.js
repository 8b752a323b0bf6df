// Keeps the field page, its data and the last tasks on the phone. The network comes first as long as it answers in time; nothing is sent from here:
// what a person does without signal stands in the page's own outbox.
const CACHE = 'tocsin-field-1'
const DATA = ['/api/v1/hazmat/bundle', '/api/v1/session', '/api/v1/tasks', '/api/v1/zones', '/api/v1/event-types', '/api/v1/organisation']
const PATIENCE_MS = 4000

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.add('/field/')).then(() => self.skipWaiting()))
})

self.addEventListener('activate', (event) => {
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter((name) => name.startsWith('tocsin-field-') && name !== CACHE).map((name) => caches.delete(name))))
    .then(() => self.clients.claim()))
})

/** The page names what it loaded before this worker stood; it answers when all of it is kept. */
self.addEventListener('message', (event) => {
  if (event.data?.keep) {
    event.waitUntil(keep(event.data.keep).then((kept) => event.ports[0]?.postMessage({ kept })))
  } else if (event.data?.forget) {
    event.waitUntil(caches.open(CACHE).then((cache) => Promise.all(['/api/v1/session', '/api/v1/tasks', '/api/v1/zones'].map((path) => cache.delete(path)))))
  }
})

async function keep(paths) {
  const cache = await caches.open(CACHE)
  const results = await Promise.all(paths.map((path) => fetch(path, { credentials: 'same-origin' })
    .then((answer) => answer.ok && cache.put(path, answer).then(() => true)).catch(() => false)
    .then((fresh) => fresh || cache.match(path).then(Boolean))))
  return results.filter(Boolean).length
}

function wanted(request, url) {
  return request.method === 'GET' && url.origin === location.origin &&
    (request.mode === 'navigate' || url.pathname.startsWith('/assets/') || url.pathname.startsWith('/geo/') || /\.(svg|webmanifest)$/.test(url.pathname) || DATA.includes(url.pathname))
}

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  if (wanted(event.request, url)) event.respondWith(answer(event.request, url))
})

async function answer(request, url) {
  const cache = await caches.open(CACHE)
  const place = request.mode === 'navigate' ? '/field/' : url.pathname
  const held = await cache.match(place)
  if (held && url.pathname.startsWith('/assets/')) return held
  try {
    const fresh = await within(fetch(request), held ? PATIENCE_MS : 60_000)
    if (fresh.ok) await cache.put(place, fresh.clone())
    return [502, 503, 504].includes(fresh.status) && held ? held : fresh
  } catch (error) {
    if (held) return held
    throw error
  }
}

function within(promise, ms) {
  return Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error('slow')), ms))])
}
