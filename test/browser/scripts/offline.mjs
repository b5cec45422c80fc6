// The playground from the CDN, on a machine that cannot reach the CDN.
//
//   node offline.mjs CHROMIUM ORIGIN TOKEN [FOLDER]
//
// ORIGIN serves the playground from the CDN. TOKEN is an access token of a user whose name is Ada. FOLDER is a folder for
// screenshots.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'
import { accessible, inWindow, origin } from './browser.mjs'

const [token, folder] = process.argv.slice(4)
const screens = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } }

// The page's scripts fail without the CDN's.
const expected = { noisy: true, throws: /is not defined/ }

const answerOf = (page) => page.getByRole('region', { name: 'Answer' })

async function open(page, cdn) {
  await page.route('https://cdn.jsdelivr.net/**', cdn)
  await page.goto(origin, { waitUntil: 'commit' })
  await page.getByText('npm --prefix playground run build').waitFor()
}

async function send(page, query, variables, bearer) {
  await page.getByLabel('Query').fill(query)
  await page.getByLabel('Variables').fill(variables)
  await page.getByLabel('Access token').fill(bearer)
  await page.getByRole('button', { name: 'Send' }).click()
}

for (const [name, cdn] of [
  ['refuses connections', (route) => route.abort()],
  ['does not respond', () => {}],
]) {
  test(`a CDN that ${name}: the page names the command and its form sends a query`, () =>
    inWindow({ ...expected, on: name }, async (page) => {
      await open(page, cdn)
      assert.ok(!(await page.getByText('Loading').isVisible()))

      await send(page, '{ me { name } }', '', '')
      await answerOf(page).filter({ hasText: '"reason": "missing"' }).waitFor()
      await send(page, '{ me { name } }', '', token)
      await answerOf(page).filter({ hasText: '"name": "Ada"' }).waitFor()
      await send(page, 'query($f: Int!) { sessions(first: $f) { id } }', '{"f": 1', `Bearer ${token}`)
      await answerOf(page).filter({ hasText: 'The variables are not valid JSON' }).waitFor()
      await send(page, 'mutation($n: String!) { updateProfile(input: {name: $n}) { name } }', '{"n": "Ada"}', `Bearer ${token}`)
      await answerOf(page).filter({ hasText: '"updateProfile"' }).waitFor()
      await page.route('**/graphql', (route) => route.abort())
      await send(page, '{ me { name } }', '', token)
      await answerOf(page).filter({ hasText: 'The server does not answer.' }).waitFor()
    }))
}

for (const [name, viewport] of Object.entries(screens)) {
  test(`the fallback fits a ${name}, and axe finds nothing`, () =>
    inWindow({ ...expected, viewport }, async (page) => {
      await open(page, (route) => route.abort())
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width)
      await send(page, '{ me { name } }', '', token)
      await answerOf(page).filter({ hasText: '"name": "Ada"' }).waitFor()
      await accessible(page, name)
      if (folder) await page.screenshot({ path: join(folder, `offline-${name}.png`) })
    }))
}

test('where the CDN responds, GraphiQL replaces the form', () =>
  inWindow({}, async (page) => {
    await page.goto(origin)
    await page.locator('.graphiql-container').waitFor()
    assert.equal(await page.getByText('npm --prefix playground run build').count(), 0)
  }))
