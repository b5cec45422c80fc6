import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The browser sees one origin, this one, and so keeps the cookie and needs no CORS. Nothing of a request is rewritten on its way:
// with the Host and the Origin that the browser sent, the server still sees what comes from another site, and refuses it.
// (changeOrigin would change the Host, and is what Vite does for the short form, '/graphql': 'http://…'.) For the same reason
// Vite must not answer for the server who may ask from elsewhere, as it does for any page on localhost: cors is off.
const server = {
  proxy: { '/graphql': { target: process.env.FIELDGATE_URL ?? 'http://localhost:8080', changeOrigin: false } },
  cors: false,
}

export default defineConfig({ plugins: [react()], server, preview: server })
