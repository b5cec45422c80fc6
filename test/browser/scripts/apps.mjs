// Scenarios for the apps of the folder examples, which all have the same pages.
//
//   node apps.mjs CHROMIUM ORIGIN CONTROL [PICTURE]
//
// ORIGIN serves the app and forwards /graphql to the API. CONTROL controls the API's server: see
// controlledServer in examples_test.go. PICTURE is a file for a screenshot of the accounts page.

import assert from 'node:assert/strict'
import test from 'node:test'
import { accessible, inWindow, origin, timeout } from './browser.mjs'

const [control, picture] = process.argv.slice(4)
const password = 'correct horse battery staple'
const options = { timeout: 4 * timeout }

/** Sends a command to the API's server, and resolves to its response. */
async function send(command, values = {}) {
  const response = await fetch(`${control}/${command}?${new URLSearchParams(values)}`, { method: 'POST' })
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return text
}
const refreshes = async () => Number(await send('refreshes'))

const button = (page, name) => page.getByRole('button', { name, exact: true })
const link = (page, name) => page.getByRole('link', { name, exact: true })
const field = (page, name) => page.getByLabel(name, { exact: true })
const heading = (page, name) => page.getByRole('heading', { level: 1, name, exact: true })
const showsText = (page, text) => page.getByText(text).first().waitFor()
const gone = (locator) => locator.waitFor({ state: 'detached' })

async function go(page, name, title = name) {
  await link(page, name).click()
  await heading(page, title).waitFor()
}

async function refreshPage(page) {
  const answer = page.waitForResponse('**/graphql').catch(() => {})
  await button(page, 'Refresh').click()
  await answer
}

let userCount = 0

/** Registers in the app, which signs in, and resolves to the address. */
async function register(page, name = 'Ada') {
  const email = `${name.toLowerCase()}${++userCount}@example.com`
  await page.goto(`${origin}/#register`)
  await field(page, 'Name').fill(name)
  await field(page, 'E-mail address').fill(email)
  await field(page, 'Password').fill(password)
  await button(page, 'Register').click()
  await heading(page, 'Profile').waitFor()
  await showsText(page, email)
  return email
}

async function signIn(page, email, typed = password) {
  await field(page, 'E-mail address').fill(email)
  await field(page, 'Password').fill(typed)
  await button(page, 'Sign in').click()
}

/** Opens the app without cookies or memory of a session. */
const inApp = (options, scenario) => inWindow(options, async (page) => {
  await page.goto('about:blank') // the previous page had its session in memory
  await scenario(page)
  for (const tab of page.context().pages()) if (tab !== page) await tab.close()
})

test('the whole life of a session, and axe finds nothing on any page', options, () =>
  inApp({}, async (page) => {
    await page.goto(origin)
    await heading(page, 'Sign in').waitFor()
    await accessible(page, 'sign in')
    await signIn(page, 'nobody@example.com')
    await showsText(page, 'The e-mail address or the password is wrong.')
    await accessible(page, 'sign in, rejected')

    await go(page, 'Create one', 'Create an account')
    await field(page, 'Name').fill('Ada')
    await field(page, 'E-mail address').fill('life@example.com')
    await field(page, 'Password').fill('short')
    await button(page, 'Register').click()
    await showsText(page, 'It must have at least 8 characters.')
    await accessible(page, 'register, rejected')
    await field(page, 'Password').fill(password)
    await button(page, 'Register').click()
    await heading(page, 'Profile').waitFor()

    await field(page, 'New name').fill('Countess')
    await button(page, 'Save').click()
    await showsText(page, 'Saved.')
    await page.locator('dd', { hasText: 'Countess' }).waitFor()
    await accessible(page, 'profile')

    await go(page, 'Devices')
    await showsText(page, 'This device')
    await accessible(page, 'devices')

    await go(page, 'Password', 'Change password')
    await field(page, 'Current password').fill('not this one')
    await field(page, 'New password').fill('another battery staple')
    await button(page, 'Change password').click()
    await showsText(page, 'The e-mail address or the password is wrong.')
    await field(page, 'Current password').fill(password)
    await button(page, 'Change password').click()
    await showsText(page, 'Your password was changed')
    await accessible(page, 'password')
    assert.equal(await link(page, 'Accounts').count(), 0)

    await page.reload()
    await heading(page, 'Change password').waitFor()
    assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 0, ''], 'scripts can read a token')

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

test('ten concurrent requests in five tabs after the token has expired cause one refresh', options, () =>
  inApp({}, async (page) => {
    await register(page)
    const tabs = [page, ...(await Promise.all(Array.from({ length: 4 }, () => page.context().newPage())))]
    for (const tab of tabs) {
      await tab.goto(`${origin}/#devices`)
      await showsText(tab, 'This device')
    }
    const before = await refreshes()
    await send('advance', { by: '16m' })
    const sent = []
    let go
    const together = new Promise((resolve) => { go = resolve })
    const hold = async (route) => {
      if (sent.push(route.request()) === 10) go()
      await together // all ten are sent with the old token
      await route.continue()
    }
    await page.context().route('**/graphql', hold)
    await Promise.all(tabs.map((tab) => button(tab, 'Refresh').click()))
    for (const end = Date.now() + timeout; sent.length < 21;) {
      assert.ok(Date.now() < end, `${sent.length} requests: ${sent.map((r) => r.postData())}`)
      await tabs[0].evaluate(() => new Promise(requestAnimationFrame))
    }
    const codes = await Promise.all(sent.map(async (r) => (await (await r.response()).json()).errors?.[0].extensions.code))
    assert.deepEqual([codes.slice(0, 10), await refreshes() - before], [Array(10).fill('UNAUTHENTICATED'), 1])
    assert.deepEqual(codes.slice(10), Array(11).fill(undefined), 'the refresh and ten repeated requests')
    await page.context().unroute('**/graphql', hold)
    for (const tab of tabs) assert.equal(await tab.getByRole('alert').count(), 0)
  }))

test('a sign-in or sign-out in one tab applies to the other', options, () =>
  inApp({}, async (page) => {
    const ada = await register(page)
    const other = await page.context().newPage()
    await other.goto(origin)
    await showsText(other, ada)
    await button(page, 'Sign out').click()
    await heading(other, 'Sign in').waitFor()
    const bob = await register(other, 'Bob')
    await showsText(page, bob)
    assert.equal(await page.getByText(ada).count(), 0)
  }))

test('a session that another device revokes ends at the next request', options, () =>
  inApp({}, async (phone) => {
    const email = await register(phone)
    await go(phone, 'Devices')
    await inApp({ on: 'the laptop' }, async (laptop) => {
      await laptop.goto(`${origin}/#devices`)
      await signIn(laptop, email)
      await button(laptop, 'Sign this device out').click()
      await gone(button(laptop, 'Sign this device out'))
      await showsText(laptop, 'This device')
    })
    await refreshPage(phone)
    await heading(phone, 'Sign in').waitFor()
  }))

test('a demotion on the accounts page shows what is still allowed, without a refresh', options, () =>
  inApp({}, async (page) => {
    const root = await register(page, 'Root') // remains ADMIN: the last one cannot be demoted
    await send('role', { email: root, role: 'ADMIN' })
    await button(page, 'Sign out').click()
    const email = await register(page)
    await send('role', { email, role: 'ADMIN' })
    await page.reload()
    await go(page, 'Accounts')
    await page.getByRole('cell', { name: email }).waitFor()
    await showsText(page, 'role changed')
    await accessible(page, 'accounts')
    if (picture) await page.screenshot({ path: picture })

    const before = await refreshes()
    await send('role', { email, role: 'STAFF' })
    await refreshPage(page)
    await showsText(page, 'Only ADMIN can read the audit log.')
    assert.equal(await page.getByRole('cell', { name: email }).count(), 1)

    await send('role', { email, role: 'USER' })
    await refreshPage(page)
    await heading(page, 'Profile').waitFor()
    assert.equal(await link(page, 'Accounts').count(), 0)
    assert.equal(await refreshes(), before)
  }))

test('a server restart signs out no user, and a page opened during it waits', options, () =>
  inApp({ noisy: true }, async (page) => {
    const email = await register(page)
    await go(page, 'Devices')
    await send('down')
    await refreshPage(page)
    await showsText(page, 'The server does not respond.')
    await button(page, 'Sign out').click()
    await showsText(page, 'The server did not respond, so you are still signed in.')
    await page.goto(`${origin}/?opened-during-restart`)
    await showsText(page, 'Retrying …')
    await send('up')
    await showsText(page, email)
    await gone(page.getByText('Retrying …'))
  }))

test('offline until the token has expired, then online again', options, () =>
  inApp({ noisy: true }, async (page) => {
    await register(page)
    await go(page, 'Devices')
    await showsText(page, 'This device')
    await send('down')
    await send('up', { ttl: '1s' })
    await page.reload()
    await showsText(page, 'This device')
    await page.context().setOffline(true)
    while (!(await page.getByText('Retrying …').isVisible())) await button(page, 'Refresh').click() // until the token has expired
    await heading(page, 'Devices').waitFor()
    await page.context().setOffline(false)
    await gone(page.getByText('Retrying …'))
    await refreshPage(page)
    await showsText(page, 'This device')
    await gone(page.getByRole('alert'))
  }))
