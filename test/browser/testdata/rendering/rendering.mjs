// Renders the pages of docs/frontends.md for one visitor: node rendering.mjs DOCS URL [COOKIE]. It prints a JSON object with
// the HTML by framework. React and fetch are real; the frameworks are replaced by a few lines.

import { readFile, mkdtemp, writeFile, mkdir } from 'node:fs/promises'
import { join, dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const [docs, url, cookie = ''] = process.argv.slice(2)
const here = dirname(fileURLToPath(import.meta.url))
const text = await readFile(docs, 'utf8')
const section = text.slice(text.indexOf('\n## Server rendering'), text.indexOf('\n## ', text.indexOf('\n## Server rendering') + 4))
const [library, page, route] = [...section.matchAll(/```tsx?\n(.*?)```/gs)].map((block) => block[1])

const dir = await mkdtemp(join(here, 'run-'))
const files = {
  'lib/fieldgate.ts': library,
  'app/page.tsx': page,
  'app/routes/_index.tsx': route,
  'fake/server-only.js': '',
  'fake/next/headers.js': 'export const headers = async () => new Headers(globalThis.cookie ? { cookie: globalThis.cookie } : {})',
  'fake/react-router.js': 'export const useLoaderData = () => globalThis.loaded',
  'main.js': `
    import { renderToStaticMarkup } from 'react-dom/server'
    import { createElement } from 'react'
    import Page from './app/page'
    import Index, { loader } from './app/routes/_index'
    export async function run(cookie) {
      globalThis.cookie = cookie
      const next = renderToStaticMarkup(await Page())
      globalThis.loaded = await loader({ request: new Request('http://localhost/', cookie ? { headers: { Cookie: cookie } } : {}) })
      return { next, remix: renderToStaticMarkup(createElement(Index)) }
    }`,
}
for (const [name, content] of Object.entries(files)) {
  await mkdir(dirname(join(dir, name)), { recursive: true })
  await writeFile(join(dir, name), content)
}
const outfile = join(dir, 'bundle.cjs')
await build({
  entryPoints: [join(dir, 'main.js')], bundle: true, platform: 'node', format: 'cjs', jsx: 'automatic', outfile, logLevel: 'silent',
  alias: { 'server-only': join(dir, 'fake/server-only.js'), 'next/headers': join(dir, 'fake/next/headers.js'), 'react-router': join(dir, 'fake/react-router.js') },
})
process.env.FIELDGATE_URL = url
const { run } = await import(pathToFileURL(outfile))
console.log(JSON.stringify(await run(cookie)))
