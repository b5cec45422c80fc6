import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The browser sees one origin, so it keeps the cookie and needs no CORS. The proxy must not rewrite requests: from the Host and
// Origin that the browser sent, the server detects and rejects requests from other sites.
// - changeOrigin would replace the Host. Vite turns it on for the short form, '/graphql': 'http://…'.
// - cors is off, because Vite would otherwise allow any page on localhost instead of the origins that the server allows.
const server = {
  proxy: { '/graphql': { target: process.env.FIELDGATE_URL ?? 'http://localhost:8080', changeOrigin: false } },
  cors: false,
}

export default defineConfig({ plugins: [react()], server, preview: server })
