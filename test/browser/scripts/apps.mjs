// What people do in the apps of the folder examples, which all look the same.
//
//   node apps.mjs CHROMIUM ORIGIN CONTROL [PICTURE]
//
// ORIGIN serves the app and passes /graphql on to the API. CONTROL is what the test tells the API's side: see stage in examples_test.go.
// PICTURE is where to write a picture of the page with the accounts.

import assert from 'node:assert/strict'
import test from 'node:test'
import { accessible, inWindow, origin, patience } from './browser.mjs'

const [control, picture] = process.argv.slice(4)
const password = 'correct horse battery staple'
const options = { timeout: 4 * patience }

/** Tells the API's side something, and resolves to what it answers. */
async function tell(what, values = {}) {
  const response = await fetch(`${control}/${what}?${new URLSearchParams(values)}`, { method: 'POST' })
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return text
}
const refreshes = async () => Number(await tell('refreshes'))

const button = (page, name) => page.getByRole('button', { name, exact: true })
const link = (page, name) => page.getByRole('link', { name, exact: true })
const field = (page, name) => page.getByLabel(name, { exact: true })
const heading = (page, name) => page.getByRole('heading', { level: 1, name, exact: true })
const says = (page, text) => page.getByText(text).first().waitFor()
const gone = (locator) => locator.waitFor({ state: 'detached' })

async function go(page, name, title = name) {
  await link(page, name).click()
  await heading(page, title).waitFor()
}

async function lookAgain(page) {
  const answer = page.waitForResponse('**/graphql').catch(() => {})
  await button(page, 'Refresh').click()
  await answer
}

let people = 0

/** Makes an account in the app, which signs in, and resolves to its address. */
async function register(page, name = 'Ada') {
  const email = `${name.toLowerCase()}${++people}@example.com`
  await page.goto(`${origin}/#register`)
  await field(page, 'Name').fill(name)
  await field(page, 'E-mail address').fill(email)
  await field(page, 'Password').fill(password)
  await button(page, 'Register').click()
  await heading(page, 'Profile').waitFor()
  await says(page, email)
  return email
}

async function signIn(page, email, typed = password) {
  await field(page, 'E-mail address').fill(email)
  await field(page, 'Password').fill(typed)
  await button(page, 'Sign in').click()
}

/** Opens the app anew, as somebody whom it has never seen. */
const inApp = (options, what) => inWindow(options, async (page) => {
  await page.goto('about:blank') // the app before had its session in memory
  await what(page)
  for (const tab of page.context().pages()) if (tab !== page) await tab.close()
})

test('the whole life of a session, and axe finds nothing on any page', options, () =>
  inApp({}, async (page) => {
    await page.goto(origin)
    await heading(page, 'Sign in').waitFor()
    await accessible(page, 'sign in')
    await signIn(page, 'nobody@example.com')
    await says(page, 'The e-mail address or the password is wrong.')
    await accessible(page, 'sign in, refused')

    await go(page, 'Create one', 'Create an account')
    await field(page, 'Name').fill('Ada')
    await field(page, 'E-mail address').fill('life@example.com')
    await field(page, 'Password').fill('short')
    await button(page, 'Register').click()
    await says(page, 'It must have at least 8 characters.')
    await accessible(page, 'register, refused')
    await field(page, 'Password').fill(password)
    await button(page, 'Register').click()
    await heading(page, 'Profile').waitFor()

    await field(page, 'New name').fill('Countess')
    await button(page, 'Save').click()
    await says(page, 'Saved.')
    await page.locator('dd', { hasText: 'Countess' }).waitFor()
    await accessible(page, 'profile')

    await go(page, 'Devices')
    await says(page, 'This device')
    await accessible(page, 'devices')

    await go(page, 'Password', 'Change password')
    await field(page, 'Current password').fill('not this one')
    await field(page, 'New password').fill('another battery staple')
    await button(page, 'Change password').click()
    await says(page, 'The e-mail address or the password is wrong.')
    await field(page, 'Current password').fill(password)
    await button(page, 'Change password').click()
    await says(page, 'Your password was changed')
    await accessible(page, 'password')
    assert.equal(await link(page, 'Accounts').count(), 0)

    await page.reload()
    await heading(page, 'Change password').waitFor()
    assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 0, ''], 'no script finds a token')

    await button(page, 'Sign out').click()
    await heading(page, 'Sign in').waitFor()
    await page.reload()
    await heading(page, 'Sign in').waitFor()
    await signIn(page, 'life@example.com', 'another battery staple')
    await button(page, 'Sign out').waitFor()
    await go(page, 'Devices')
    await button(page, 'Sign out everywhere').click()
    await heading(page, 'Sign in').waitFor()
  }))

test('ten requests at once, in five tabs, after the token has expired: one refresh', options, () =>
  inApp({}, async (page) => {
    await register(page)
    const tabs = [page, ...(await Promise.all(Array.from({ length: 4 }, () => page.context().newPage())))]
    for (const tab of tabs) {
      await tab.goto(`${origin}/#devices`)
      await says(tab, 'This device')
    }
    const before = await refreshes()
    await tell('advance', { by: '16m' })
    const sent = []
    let go
    const together = new Promise((resolve) => { go = resolve })
    const hold = async (route) => {
      if (sent.push(route.request()) === 10) go()
      await together // so that none of the ten has the new token
      await route.continue()
    }
    await page.context().route('**/graphql', hold)
    await Promise.all(tabs.map((tab) => button(tab, 'Refresh').click()))
    for (const end = Date.now() + patience; sent.length < 21;) {
      assert.ok(Date.now() < end, `${sent.length} requests: ${sent.map((r) => r.postData())}`)
      await tabs[0].evaluate(() => new Promise(requestAnimationFrame))
    }
    const codes = await Promise.all(sent.map(async (r) => (await (await r.response()).json()).errors?.[0].extensions.code))
    assert.deepEqual([codes.slice(0, 10), await refreshes() - before], [Array(10).fill('UNAUTHENTICATED'), 1])
    assert.deepEqual(codes.slice(10), Array(11).fill(undefined), 'the refresh, and the ten again')
    await page.context().unroute('**/graphql', hold)
    for (const tab of tabs) assert.equal(await tab.getByRole('alert').count(), 0)
  }))

test('two tabs: what one does counts in the other', options, () =>
  inApp({}, async (page) => {
    const ada = await register(page)
    const other = await page.context().newPage()
    await other.goto(origin)
    await says(other, ada)
    await button(page, 'Sign out').click()
    await heading(other, 'Sign in').waitFor()
    const bob = await register(other, 'Bob')
    await says(page, bob)
    assert.equal(await page.getByText(ada).count(), 0)
  }))

test('revoked from another device: out at the next request', options, () =>
  inApp({}, async (phone) => {
    const email = await register(phone)
    await go(phone, 'Devices')
    await inApp({ on: 'the laptop' }, async (laptop) => {
      await laptop.goto(`${origin}/#devices`)
      await signIn(laptop, email)
      await button(laptop, 'Sign this device out').click()
      await gone(button(laptop, 'Sign this device out'))
      await says(laptop, 'This device')
    })
    await lookAgain(phone)
    await heading(phone, 'Sign in').waitFor()
  }))

test('demoted while looking at the accounts: what is left is shown, and nothing is refreshed', options, () =>
  inApp({}, async (page) => {
    const root = await register(page, 'Root') // who stays ADMIN, because somebody has to
    await tell('role', { email: root, role: 'ADMIN' })
    await button(page, 'Sign out').click()
    const email = await register(page)
    await tell('role', { email, role: 'ADMIN' })
    await page.reload()
    await go(page, 'Accounts')
    await page.getByRole('cell', { name: email }).waitFor()
    await says(page, 'role changed')
    await accessible(page, 'accounts')
    if (picture) await page.screenshot({ path: picture })

    const before = await refreshes()
    await tell('role', { email, role: 'STAFF' })
    await lookAgain(page)
    await says(page, 'Only ADMIN can read the audit log.')
    assert.equal(await page.getByRole('cell', { name: email }).count(), 1)

    await tell('role', { email, role: 'USER' })
    await lookAgain(page)
    await heading(page, 'Profile').waitFor()
    assert.equal(await link(page, 'Accounts').count(), 0)
    assert.equal(await refreshes(), before)
  }))

test('the server restarts: nobody is signed out, and a page that was opened meanwhile waits', options, () =>
  inApp({ noisy: true }, async (page) => {
    const email = await register(page)
    await go(page, 'Devices')
    await tell('down')
    await lookAgain(page)
    await says(page, 'The server does not respond.')
    await button(page, 'Sign out').click()
    await says(page, 'The server did not respond, so you are still signed in.')
    await page.goto(`${origin}/?opened-meanwhile`)
    await says(page, 'Retrying …')
    await tell('up')
    await says(page, email)
    await gone(page.getByText('Retrying …'))
  }))

test('offline until the token has expired, and back', options, () =>
  inApp({ noisy: true }, async (page) => {
    await register(page)
    await go(page, 'Devices')
    await says(page, 'This device')
    await tell('down')
    await tell('up', { ttl: '1s' })
    await page.reload()
    await says(page, 'This device')
    await page.context().setOffline(true)
    while (!(await page.getByText('Retrying …').isVisible())) await button(page, 'Refresh').click() // until the token has expired
    await heading(page, 'Devices').waitFor()
    await page.context().setOffline(false)
    await gone(page.getByText('Retrying …'))
    await lookAgain(page)
    await says(page, 'This device')
    await gone(page.getByRole('alert'))
  }))
