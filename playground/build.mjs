// Builds the page: node build.mjs [FOLDER]. The default folder is dist beside this file.

import { readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { build } from 'esbuild'

const here = import.meta.dirname
const out = resolve(process.argv[2] ?? join(here, 'dist'))

for (const name of await readdir(out).catch(() => [])) {
  if (name !== '.keep') await rm(join(out, name)) // .keep is committed, so that the folder to embed exists
}
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: { main: 'src/main.jsx' },
  outdir: out,
  entryNames: '[name]-[hash]',
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  alias: { 'react-style-singleton': './src/noStyle.js' },
  loader: { '.graphql': 'text' },
  define: { 'process.env.NODE_ENV': '"production"' },
  legalComments: 'eof', // a distributed server contains these packages, so it needs their licenses
  logLevel: 'warning',
  metafile: true,
})
let page = await readFile(join(here, 'src/index.html'), 'utf8')
for (const [file, { bytes }] of Object.entries(metafile.outputs)) {
  const name = basename(file)
  page = page.replace(`/playground/main${name.slice(name.lastIndexOf('.'))}`, `/playground/${name}`)
  console.log(`${name}: ${Math.round(bytes / 1024)} KiB`)
}
await writeFile(join(out, 'index.html'), page) // last, because the server uses the build if index.html exists
