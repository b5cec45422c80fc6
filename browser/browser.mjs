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
 */
export async function inWindow({ played, noisy, ...options }, what) {
  const context = await browser.newContext({ viewport: { width: 800, height: 700 }, ...options })
  context.setDefaultTimeout(patience)
  const complaints = []
  const api = { sent: [], answers: [] }
  try {
    await context.route(({ origin: to, protocol }) => to !== origin && protocol !== 'data:', async (route) => {
      if (await fromPackages(route)) return
      complaints.push(`a request to ${route.request().url()}`)
      await route.abort()
    })
    if (played) await context.route('**/graphql', (route) => answer(route, api, complaints))
    const page = await context.newPage()
    page.on('console', (m) => {
      if (!['error', 'warning'].includes(m.type()) || (noisy && m.text().startsWith('Failed to load resource'))) return
      complaints.push(`${m.type()} in the console: ${m.text()}`)
    })
    page.on('pageerror', (e) => complaints.push(`uncaught: ${e.stack}`))
    await what(page, api)
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

/**
 * Fails if axe finds anything on the page as it is, but for what is known: by rule, the selectors of what it is found in.
 */
export async function accessible(page, where, known = {}) {
  await page.evaluate(axe.source)
  const found = await page.evaluate(async (known) => {
    const { violations } = await window.axe.run({ resultTypes: ['violations'] })
    return violations.flatMap(({ id, help, nodes }) => nodes
      .filter(({ target }) => !(known[id] ?? []).some((within) => document.querySelector(target.at(-1))?.closest(within)))
      .map(({ html }) => `${id}: ${help}: ${html}`))
  }, known)
  assert.deepEqual(found, [], where)
}

/** Asks in the playground, as a person does, and resolves to the answer's data. */
export async function askInPlayground(page, document) {
  await page.goto(`${origin}/`)
  const { data, errors } = await runInPlayground(page, document)
  assert.equal(errors, undefined)
  await page.locator('.result-window', { hasText: '"data"' }).waitFor()
  return data
}

/** Types a document into the playground that the page shows, runs it, and resolves to the answer. */
export async function runInPlayground(page, document) {
  await page.locator('.graphiql-query-editor .CodeMirror').click()
  await page.keyboard.press('ControlOrMeta+A')
  await page.keyboard.insertText(document)
  const bare = (text) => text.replace(/\s/g, '') // the editor indents as it likes
  const answer = answersTo(page, (query) => bare(query) === bare(document))
  await page.getByRole('button', { name: /^Execute query/ }).click()
  return answer
}

/** Resolves to the next answer to a question whose document is one. */
export async function answersTo(page, isOne) {
  const response = await page.waitForResponse((r) => new URL(r.url()).pathname === '/graphql' && isOne(r.request().postDataJSON().query))
  return response.json()
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
