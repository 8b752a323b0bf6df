// How the console is built: into the hub's static folder, for the address `/`; `npm run dev` passes the API on to a hub (HUB=http://127.0.0.1:8800).
import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const hub = process.env.HUB ?? 'http://127.0.0.1:8800'

export default defineConfig({
  base: '/',
  plugins: [vue()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  define: { __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false', __INTLIFY_PROD_DEVTOOLS__: 'false' },
  build: {
    outDir: '../web/static/console',
    emptyOutDir: true,
    target: 'es2022',
    chunkSizeWarningLimit: 1600,
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  server: { proxy: { '/api': { target: hub, ws: true }, '/readyz': hub } },
  // One window for all the files of a thread: a window for each was four fifths of the time. So a test leaves nothing behind (checked in shuffled order).
  test: { environment: 'happy-dom', include: ['src/**/*.spec.ts'], restoreMocks: true, pool: 'threads', isolate: false },
})
