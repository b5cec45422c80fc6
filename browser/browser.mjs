// What the scripts of this folder share: a browser that notices what should not happen, and the playground without its CDN.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import { chromium } from 'playwright-core'

const flags = '--headless --no-sandbox --disable-gpu --disable-quic --disable-background-networking --no-first-run --disable-component-update --disable-sync'

export const [chromiumPath, origin] = process.argv.slice(2)

export const patience = 20_000 // milliseconds: for a machine that is busy

let browser
before(async () => { browser = await chromium.launch({ executablePath: chromiumPath, args: flags.split(' ') }) })
after(() => browser?.close())

/**
 * Does something in a new window, as somebody whom the browser has never seen. It fails if a page wrote to the console,
 * as the browser does itself when a page breaks its Content-Security-Policy, or if a request left the origin.
 * Options are Playwright's, and
 *   played: the API is not asked; what is done gets a {sent, answers} besides, the requests so far and what the next
 *     ones are answered with, in turn: JSON, or a function of Playwright's route
 *   noisy: the browser says in the console that requests failed, as they should
 *   cors: it also says that CORS blocked some
 *   also: other origins that requests may go to
 * More pages of the window, as page.context().newPage() opens them, are watched too.
 */
export async function inWindow({ played, noisy, cors, also = [], ...options }, what) {
  const context = await browser.newContext({ viewport: { width: 800, height: 700 }, ...options })
  context.setDefaultTimeout(patience)
  const complaints = []
  const api = { sent: [], answers: [] }
  try {
    await context.route(({ origin: to, protocol }) => ![origin, ...also].includes(to) && protocol !== 'data:', async (route) => {
      if (await fromPackages(route)) return
      complaints.push(`a request to ${route.request().url()}`)
      await route.abort()
    })
    if (played) await context.route('**/graphql', (route) => answer(route, api, complaints))
    context.on('console', (m) => {
      if (!['error', 'warning'].includes(m.type()) || (noisy && m.text().startsWith('Failed to load resource'))) return
      if (cors && m.text().includes('blocked by CORS policy')) return
      complaints.push(`${m.type()} in the console: ${m.text()}`)
    })
    context.on('weberror', (e) => complaints.push(`uncaught: ${e.error().stack}`))
    await what(await context.newPage(), api)
    assert.deepEqual(complaints, [])
  } catch (error) {
    if (complaints.length) error.message += `\nbefore that: ${complaints.join('\n')}`
    throw error
  } finally {
    await context.close()
  }
}

async function answer(route, api, complaints) {
  api.sent.push(route.request())
  const next = api.answers.shift()
  if (typeof next === 'function') return next(route)
  if (next) return route.fulfill({ json: next })
  complaints.push(`a request that was not expected: ${route.request().postData()}`)
  await route.abort()
}

/** Fails if axe finds anything on the page as it is. With rules it looks for these only. */
export async function accessible(page, where, rules) {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate((runOnly) => window.axe.run({ resultTypes: ['violations'], ...(runOnly && { runOnly }) }), rules)
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html)}`), [], where)
}

/** Asks in the playground, as a person does, and resolves to the answer's data. */
export async function askInPlayground(page, document) {
  await page.goto(`${origin}/`)
  await page.locator('.graphiql-query-editor .CodeMirror').click()
  await page.keyboard.press('ControlOrMeta+A')
  await page.keyboard.insertText(document)
  const answer = page.waitForResponse((r) => new URL(r.url()).pathname === '/graphql' && !r.request().postData().includes('IntrospectionQuery'))
  await page.getByRole('button', { name: /^Execute query/ }).click()
  const { data, errors } = await (await answer).json()
  assert.equal(errors, undefined)
  await page.locator('.result-window', { hasText: '"data"' }).waitFor()
  return data
}

// The playground's page checks what it is made of by hashes, so the files of the packages are the CDN's.
async function fromPackages(route) {
  const [, name, version, path] = /^https:\/\/cdn\.jsdelivr\.net\/npm\/([a-z-]+)@([\d.]+)\/([\w./-]+)$/.exec(route.request().url()) ?? []
  if (!name) return false
  const folder = new URL(`node_modules/${name}/`, import.meta.url)
  const here = JSON.parse(await readFile(new URL('package.json', folder)))
  assert.equal(here.version, version, `the playground takes another version of ${name} than browser/package.json`)
  await route.fulfill({ path: fileURLToPath(new URL(path, folder)), headers: { 'access-control-allow-origin': '*' } })
  return true
}
