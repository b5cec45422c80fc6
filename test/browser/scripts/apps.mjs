// Scenarios for the apps of the folder examples, which all have the same pages.
//
//   node apps.mjs CHROMIUM ORIGIN CONTROL [PICTURE] [FOLDER]
//
// ORIGIN serves the app and forwards /graphql to the API. CONTROL controls the API's server: see
// controlledServer in examples_test.go. PICTURE is a file for a screenshot of the accounts page,
// FOLDER is for screenshots of the pages of second factors; "" means none.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'
import { Secret, TOTP } from 'otpauth'
import { accessible, inWindow, origin, timeout } from './browser.mjs'

const [control, picture, folder] = process.argv.slice(4)
const password = 'correct horse battery staple'
const options = { timeout: 4 * timeout }

/** Sends a command to the API's server, and resolves to its response. */
async function send(command, values = {}) {
  const response = await fetch(`${control}/${command}?${new URLSearchParams(values)}`, { method: 'POST' })
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return text
}
let ahead = 0 // milliseconds by which the server's clock is ahead
async function advance(minutes) {
  await send('advance', { by: `${minutes}m` })
  ahead += minutes * 60_000
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
    await advance(16)
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

/** Returns what an authenticator app shows for a secret, at the server's time. */
const codeOf = (secret) => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + ahead })

/** Waits for the next code, because each counts once. */
const nextCode = async (secret) => {
  await advance(0.5)
  return codeOf(secret)
}

async function type(page, label, value, name) {
  await field(page, label).fill(value)
  await button(page, name).click()
}

/** Reads the secret that the page shows, and turns the factor on. Resolves to the secret and the recovery codes. */
async function enrol(page) {
  await showsText(page, 'Or type this key')
  const secret = (await page.locator('.secret').textContent()).replaceAll(' ', '')
  await type(page, 'Code from the app', codeOf(secret), 'Turn on')
  await page.locator('.codes').waitFor()
  return { secret, codes: await page.locator('.codes li').allTextContents() }
}

const dialog = (page) => page.getByRole('dialog')
const appCode = 'Code from your authenticator app'

for (const [screen, viewport] of Object.entries({ phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } })) {
  test(`a second factor on a ${screen}: enrol, sign in with a code and a recovery code, confirm, remove`, options, () =>
    inApp({ viewport, on: screen }, async (page) => {
      const look = async (name) => {
        if (screen === 'desktop') await accessible(page, name)
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name}: the page scrolls sideways`)
        if (folder) await page.screenshot({ path: join(folder, `${screen}-${name}.png`), fullPage: true })
      }
      const email = await register(page)
      await go(page, 'Security')
      await showsText(page, 'Your account has no authenticator app yet.')
      await look('no-factor')
      await button(page, 'Set up an authenticator app').click()
      await page.getByRole('img', { name: 'QR code' }).waitFor()
      await type(page, 'Code from the app', '000000', 'Turn on')
      await showsText(page, 'It must be the code that the app shows now')
      await look('set-up')
      const { secret, codes } = await enrol(page)
      assert.equal(new Set(codes).size, 10)
      await look('recovery-codes')
      await button(page, 'I have stored the codes').click()
      await showsText(page, 'Authenticator app')
      assert.equal(await page.getByText(codes[0]).count(), 0)
      await look('factor')

      await button(page, 'Sign out').click()
      await signIn(page, email)
      await heading(page, 'Enter your code').waitFor()
      await type(page, appCode, '000000', 'Sign in')
      await showsText(page, 'This code is wrong or was used before.')
      await look('sign-in-code')
      await type(page, appCode, await nextCode(secret), 'Sign in')
      await heading(page, 'Security').waitFor()

      await advance(11)
      const before = await refreshes()
      await button(page, 'Create new recovery codes').click()
      await dialog(page).waitFor()
      await look('confirm')
      assert.equal(await field(page, appCode).evaluate((e) => e === document.activeElement), true)
      await page.keyboard.press('Escape')
      await gone(dialog(page))
      await showsText(page, 'You did not confirm your identity, so nothing was changed.')
      await button(page, 'Create new recovery codes').click()
      await type(page, appCode, '000000', 'Confirm')
      await showsText(page, 'This code is wrong or was used before.')
      await look('confirm-wrong-code')
      await type(page, appCode, await nextCode(secret), 'Confirm')
      await gone(dialog(page))
      await page.locator('.codes').waitFor()
      const [newCode] = await page.locator('.codes li').allTextContents()
      assert.ok(!codes.includes(newCode))
      assert.equal(await refreshes(), before, 'a step-up is no reason to refresh')

      await button(page, 'Sign out').click()
      await signIn(page, email)
      await button(page, 'Use a recovery code instead').click()
      await look('sign-in-recovery-code')
      await type(page, 'Recovery code', codes[0], 'Sign in')
      await showsText(page, 'This recovery code is wrong or was used before.')
      await type(page, 'Recovery code', newCode, 'Sign in')
      await heading(page, 'Security').waitFor()

      await advance(11)
      await go(page, 'Password', 'Change password') // any operation, on any page
      await field(page, 'Current password').fill(password)
      await type(page, 'New password', 'another battery staple', 'Change password')
      await type(dialog(page), appCode, await nextCode(secret), 'Confirm')
      await showsText(page, 'Your password was changed')
      await go(page, 'Security')
      await button(page, 'Remove').click()
      await showsText(page, 'Your account has no authenticator app yet.')
      await button(page, 'Sign out').click()
      await signIn(page, email, 'another battery staple')
      await heading(page, 'Security').waitFor()
    }))
}

test('a stale session confirms with the password, in one dialog', options, () =>
  inApp({}, async (page) => {
    await register(page)
    await go(page, 'Security')
    await advance(11)
    await button(page, 'Set up an authenticator app').click()
    await type(page, 'Password', 'not this one', 'Confirm')
    await showsText(page, 'The password is wrong.')
    await accessible(page, 'confirm, a wrong password')
    await type(page, 'Password', password, 'Confirm')
    await gone(dialog(page))
    await enrol(page)
    await go(page, 'Profile')
  }))

test('an operation that needs a second factor leads an account without one to Security', options, () =>
  inApp({}, async (page) => {
    await register(page)
    await page.route('**/graphql', (route) => route.fulfill({ json: {
      data: { updateProfile: null }, errors: [{ message: 'no', extensions: { code: 'STEP_UP_REQUIRED', mfa: 'ALWAYS', maxAge: null, methods: [] } }],
    } }), { times: 1 })
    await type(page, 'New name', 'Countess', 'Save')
    await dialog(page).waitFor()
    await accessible(page, 'no second factor')
    if (folder) await page.screenshot({ path: join(folder, 'lead-to-security.png') })
    await button(page, 'Go to Security').click()
    await heading(page, 'Security').waitFor()
    await gone(dialog(page))
  }))

test('a server restart signs out no user, and a page opened during it waits', options, () =>
  inApp({ noisy: true }, async (page) => {
    const email = await register(page)
    await go(page, 'Devices')
    await send('down')
    await refreshPage(page)
    await showsText(page, 'The server does not answer.')
    await button(page, 'Sign out').click()
    await showsText(page, 'The server did not answer, so you are still signed in.')
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
