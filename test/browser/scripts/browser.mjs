// Shared by the scripts of this folder: a browser that reports errors, and the playground without its CDN.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import { chromium } from 'playwright-core'

const flags = '--headless --no-sandbox --disable-gpu --disable-quic --disable-background-networking --no-first-run --disable-component-update --disable-sync'

export const [chromiumPath, origin] = process.argv.slice(2)

export const timeout = 20_000 // milliseconds, for a busy machine

let browser
before(async () => { browser = await chromium.launch({ executablePath: chromiumPath, args: flags.split(' ') }) })
after(() => browser?.close())

const windows = new Map() // by options: opening one costs the browser as much as six pages

/**
 * Runs a scenario in a window that earlier scenarios with the same options may have used. It starts without cookies, on
 * the page that the last one left. It fails if a page wrote to the console, as browsers do for violations of the
 * Content-Security-Policy, or if a request left the origin.
 * Options are Playwright's, and
 *   played: requests to the API are intercepted. The scenario also gets {sent, answers}: the requests so far, and the
 *     answers to the next ones in turn, each JSON or a function of Playwright's route
 *   noisy: console messages about failed requests or about requests blocked by CORS are expected
 *   throws: a pattern of uncaught errors that are expected
 *   also: other origins that requests may go to
 *   on: the name of another device; scenarios share a device by default
 * More pages of the window, as page.context().newPage() opens them, are watched too.
 */
export async function inWindow({ played, noisy, throws, also = [], on, ...options }, scenario) {
  const key = JSON.stringify([on, options])
  if (!windows.has(key)) windows.set(key, await openWindow(options))
  const window = windows.get(key)
  const { page, context } = window
  const complaints = []
  const api = { sent: [], answers: [] }
  Object.assign(window, { complaints, noisy, throws, also, api: played ? api : null })
  try {
    await context.clearCookies()
    await scenario(page, api)
    assert.deepEqual(complaints, [])
  } catch (error) {
    if (complaints.length) error.message += `\nbefore that: ${complaints.join('\n')}`
    windows.delete(key) // its state is unknown
    await context.close()
    throw error
  }
}

async function openWindow(options) {
  const context = await browser.newContext({ viewport: { width: 800, height: 700 }, ...options })
  context.setDefaultTimeout(timeout)
  const window = { context, page: await context.newPage() }
  await context.route(({ origin: to, protocol }) => ![origin, ...window.also].includes(to) && protocol !== 'data:', async (route) => {
    if (await fromPackages(route)) return
    window.complaints.push(`a request to ${route.request().url()}`)
    await route.abort()
  })
  await context.route('**/graphql', (route) => window.api ? answer(route, window.api, window.complaints) : route.fallback())
  context.on('console', (m) => {
    if (!['error', 'warning'].includes(m.type()) || (window.noisy && /^Failed to load resource|blocked by CORS policy/.test(m.text()))) return
    window.complaints.push(`${m.type()} in the console: ${m.text()}`)
  })
  context.on('weberror', (e) => {
    if (!window.throws?.test(e.error().message)) window.complaints.push(`uncaught: ${e.error().stack}`)
  })
  return window
}

async function answer(route, api, complaints) {
  api.sent.push(route.request())
  const next = api.answers.shift()
  if (typeof next === 'function') return next(route)
  if (next) return route.fulfill({ json: next })
  complaints.push(`a request that was not expected: ${route.request().postData()}`)
  await route.abort()
}

// Rules whose result depends on the colour scheme.
const rulesOfColours = ['color-contrast', 'link-in-text-block']

/**
 * Fails if axe finds a problem on the current page, in light or dark colours. known lists accepted problems: for each
 * rule, the selectors of the elements that contain them.
 */
export async function accessible(page, where, known = {}) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source)
  for (const [colorScheme, runOnly] of [['light', undefined], ['dark', rulesOfColours]]) {
    await page.emulateMedia({ colorScheme })
    const found = await page.evaluate(async ({ known, only }) => {
      const { violations } = await window.axe.run({ resultTypes: ['violations'], preload: false, ...only })
      return violations.flatMap(({ id, help, nodes }) => nodes
        .filter(({ target }) => !(known[id] ?? []).some((within) => document.querySelector(target.at(-1))?.closest(within)))
        .map(({ html }) => `${id}: ${help}: ${html}`))
    }, { known, only: runOnly && { runOnly } })
    assert.deepEqual(found, [], `${where}, ${colorScheme}`)
  }
  await page.emulateMedia({ colorScheme: null })
}

/** Runs a document in the playground, which it opens if necessary, and resolves to the data. */
export async function askInPlayground(page, document) {
  if (page.url() !== `${origin}/`) await page.goto(`${origin}/`)
  const { data, errors } = await runInPlayground(page, document)
  assert.equal(errors, undefined)
  await page.locator('.result-window', { hasText: '"data"' }).waitFor()
  return data
}

/** Types a document into the open playground, runs it, and resolves to the response. */
export async function runInPlayground(page, document) {
  await page.locator('.graphiql-query-editor .CodeMirror').click()
  await page.keyboard.press('ControlOrMeta+A')
  await page.keyboard.insertText(document)
  const bare = (text) => text.replace(/\s/g, '') // the editor changes the indentation
  const answer = answersTo(page, (query) => bare(query) === bare(document))
  await page.getByRole('button', { name: /^Execute query/ }).click()
  return answer
}

/** Resolves to the next response to a document that isOne accepts. */
export async function answersTo(page, isOne) {
  const response = await page.waitForResponse((r) => new URL(r.url()).pathname === '/graphql' && isOne(r.request().postDataJSON().query))
  return response.json()
}

// Serves files of the installed packages in place of the CDN. The page checks their hashes.
async function fromPackages(route) {
  const [, name, version, path] = /^https:\/\/cdn\.jsdelivr\.net\/npm\/([a-z-]+)@([\d.]+)\/([\w./-]+)$/.exec(route.request().url()) ?? []
  if (!name) return false
  const folder = new URL(`node_modules/${name}/`, import.meta.url)
  const here = JSON.parse(await readFile(new URL('package.json', folder)))
  assert.equal(here.version, version, `the playground uses another version of ${name} than test/browser/scripts/package.json`)
  await route.fulfill({ path: fileURLToPath(new URL(path, folder)), headers: { 'access-control-allow-origin': '*' } })
  return true
}
