// The built playground: its sign-in box, its examples and the editor.
//
//   node playground.mjs CHROMIUM ORIGIN [PICTURE] [FOLDER]
//
// ORIGIN is a server with demo users, whose access tokens expire after some seconds. PICTURE is the file for the
// README's screenshot, FOLDER a folder for screenshots; "" is none.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'
import { Secret, TOTP } from 'otpauth'
import { accessible, answersTo, inWindow, origin, timeout, runInPlayground } from './browser.mjs'

const [picture, folder] = process.argv.slice(4)
const screens = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } }
const password = 'correct horse battery'

const bar = (page) => page.locator('.fg-bar')
const button = (page, name) => bar(page).getByRole('button', { name })
const showsUser = (page, text) => bar(page).getByRole('status').filter({ hasText: text }).waitFor()
const showsSignedOut = (page) => showsUser(page, 'Signed out')
const hint = (page) => bar(page).getByText('This operation needs an account: sign in above.')
const isFocused = (locator) => locator.evaluate((e) => e === document.activeElement)
const refreshes = (page) => answersTo(page, (query) => query.includes('SilentRefresh'))

async function open(page) {
  await page.goto(origin)
  await showsSignedOut(page)
}

async function be(page, name) {
  await button(page, name).click()
  await showsUser(page, name)
}

async function sendForm(page, opener, fields) {
  await button(page, opener).click()
  for (const [label, value] of Object.entries(fields)) await bar(page).getByLabel(label).fill(value)
  await bar(page).locator('[type=submit]').click()
}

const codes = ({ errors }) => errors?.map((e) => e.extensions.code)

test('register, query me, sign out, be signed out', () =>
  inWindow({}, async (page) => {
    await open(page)
    await sendForm(page, 'Register', { Name: 'Bob', 'E-mail': 'bob@example.com', Password: password })
    await showsUser(page, 'bob@example.com USER')
    assert.deepEqual((await runInPlayground(page, '{ me { name role } }')).data, { me: { name: 'Bob', role: 'USER' } })
    await button(page, 'Sign out').click()
    await showsSignedOut(page)
    assert.ok(await page.locator('.fg-examples').getByText('sign in above').isVisible(), 'beside the examples')
    assert.ok(await hint(page).isHidden())
    assert.deepEqual(codes(await runInPlayground(page, '{ me { name role } }')), ['UNAUTHENTICATED'])
    await hint(page).waitFor()
    await page.locator('.result-window', { hasText: 'UNAUTHENTICATED' }).waitFor()

    await sendForm(page, 'Sign in', { 'E-mail': 'bob@example.com', Password: 'a wrong one' })
    await page.getByRole('alert').filter({ hasText: 'The e-mail address or the password is wrong.' }).waitFor()
    await bar(page).getByLabel('Password').fill(password)
    await page.keyboard.press('Enter')
    await showsUser(page, 'bob@example.com USER')
    assert.ok(await page.getByRole('alert').isHidden())
    assert.ok(await hint(page).isHidden())
  }))

test('all errors of a registration are shown', () =>
  inWindow({}, async (page) => {
    await open(page)
    await sendForm(page, 'Register', { Name: ' ', 'E-mail': 'bob@example', Password: 'short' })
    await page.getByRole('alert').filter({ hasText: /name must .*password must have at least 8 characters\./ }).waitFor()
  }))

test('an error with retryAfter shows the time in one sentence', () =>
  inWindow({}, async (page) => {
    await open(page)
    await button(page, 'Sign in').click()
    await bar(page).getByLabel('E-mail').fill('ada@fieldgate.example')
    await bar(page).getByLabel('Password').fill('a wrong one')
    for (const [code, retryAfter, says] of [
      ['RATE_LIMITED', 121, 'Too many attempts. Try again in 3 minutes.'],
      ['RATE_LIMITED', 60, 'Too many attempts. Try again in 1 minute.'],
      ['RATE_LIMITED', 59, 'Too many attempts. Try again in 59 seconds.'],
      ['OVERLOADED', 1, 'The server is busy. Try again in 1 second.'],
      ['UNAVAILABLE', undefined, 'The server is busy. Try again later.'],
    ]) {
      await page.route('**/graphql', (route) => route.fulfill({ json: { data: null, errors: [{ message: 'no', extensions: { code, retryAfter } }] } }), { times: 1 })
      await bar(page).locator('[type=submit]').click()
      await page.getByRole('alert').getByText(says, { exact: true }).waitFor()
    }
  }))

test('Tab indents in the editor, and leaves it after Esc', () =>
  inWindow({ viewport: screens.desktop }, async (page) => {
    await open(page)
    const inEditor = () => page.evaluate(() => document.activeElement.closest('.graphiql-query-editor .CodeMirror') !== null)
    const text = () => page.evaluate(() => document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.getValue())
    const keys = page.getByText('Press Esc, then Tab to leave the editor.')
    const editor = page.getByRole('textbox', { name: 'Query editor' })
    assert.ok(await keys.isHidden())
    await page.locator('.graphiql-query-editor .CodeMirror').click()
    await keys.waitFor()
    assert.match(await editor.evaluate((e) => document.getElementById(e.getAttribute('aria-describedby')).textContent), /^Press Esc/)
    await page.keyboard.press('ControlOrMeta+A')
    await page.keyboard.insertText('x')
    await page.keyboard.press('Escape') // closes the suggestions
    await page.keyboard.type(' ')
    await page.keyboard.press('Tab')
    assert.ok(await inEditor())
    const before = await text()
    assert.match(before, /^x\s\s+$/)
    for (const back of ['Tab', 'Shift+Tab']) {
      await page.keyboard.press('Escape')
      await page.keyboard.press(back)
      assert.ok(!(await inEditor()), `${back} leaves`)
      await editor.focus()
    }
    assert.equal(await text(), before)
    await page.keyboard.press('Tab')
    assert.ok(await inEditor(), 'and indents again after that')

    const answer = page.getByRole('textbox', { name: 'Answer' })
    await answer.focus()
    await page.keyboard.press('Tab')
    assert.ok(!(await isFocused(answer)), 'Tab must leave the answer')
  }))

test('one click signs in a demo user, who sees what the role allows', () =>
  inWindow({}, async (page) => {
    await open(page)
    for (const [name, role, users, log] of [
      ['Margaret', 'ADMIN', true, true],
      ['Grace', 'STAFF', true, false],
      ['Ada', 'USER', false, false],
    ]) {
      await be(page, name)
      await showsUser(page, role)
      assert.equal(await button(page, name).getAttribute('aria-pressed'), 'true')
      assert.equal(await bar(page).locator('[aria-pressed=true]').count(), 1)
      const answer = await runInPlayground(page, '{ users { edges { cursor } } auditLog { edges { cursor } } }')
      assert.deepEqual([answer.data.users !== null, answer.data.auditLog !== null], [users, log], name)
      assert.deepEqual(codes(answer) ?? [], [...(users ? [] : ['FORBIDDEN']), ...(log ? [] : ['FORBIDDEN'])], name)
    }
  }))

test('a reload and another tab keep the user, and a sign-out applies to both', () =>
  inWindow({}, async (page) => {
    await open(page)
    await be(page, 'Grace')
    await page.reload()
    await showsUser(page, 'grace@')
    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]))
    assert.ok(!/eyJ|refresh/.test(stored), `scripts can read a token: ${stored}`)
    const other = await page.context().newPage()
    await other.goto(origin)
    await showsUser(other, 'grace@')
    await button(other, 'Sign out').click()
    await showsSignedOut(other)
    assert.deepEqual(codes(await runInPlayground(page, '{ me { id } }')), ['UNAUTHENTICATED'])
    await showsSignedOut(page)
  }))

test('the token is replaced before it expires, repeatedly', () =>
  inWindow({}, async (page) => {
    await open(page)
    await be(page, 'Ada')
    for (let i = 0; i < 2; i++) assert.ok((await refreshes(page)).data.refresh.accessToken)
    assert.deepEqual((await runInPlayground(page, '{ me { name } }')).data, { me: { name: 'Ada' } })
  }))

test('a rejected token is replaced once, and the request repeated', () =>
  inWindow({}, async (page) => {
    await open(page)
    await be(page, 'Ada')
    const sent = []
    await page.route('**/graphql', async (route) => {
      const query = route.request().postDataJSON().query
      sent.push(/SilentRefresh/.test(query) ? 'refresh' : query)
      const spoilt = query === '{ me { name } }' && !sent.slice(0, -1).includes(query)
      await route.continue(spoilt ? { headers: { ...route.request().headers(), authorization: 'Bearer x' } } : {})
    })
    await runInPlayground(page, '{ me { name } }')
    await page.locator('.result-window', { hasText: '"Ada"' }).waitFor()
    const [first, second, ...more] = sent.flatMap((what, i) => (what === 'refresh' ? [] : [i]))
    assert.ok(sent.slice(first, second).includes('refresh') && more.length === 0, sent.join(', '))
  }))

test('the sign-in box follows mutations in the editor', () =>
  inWindow({}, async (page) => {
    await open(page)
    await runInPlayground(page, `mutation { register(input: {name: "Eve", email: "eve@example.com", password: "${password}"}) { expiresAt } }`)
    await showsUser(page, 'eve@example.com USER')
    await runInPlayground(page, 'mutation { updateProfile(input: {name: "Evelyn"}) { name } }')
    await showsUser(page, 'Evelyn')
    await runInPlayground(page, 'mutation { logout }')
    await showsSignedOut(page)
  }))

test('an example fills in its variables with the user’s ID, and runs by keyboard', () =>
  inWindow({}, async (page) => {
    await open(page)
    await be(page, 'Grace')
    await page.getByRole('button', { name: 'One account (STAFF)' }).focus()
    await page.keyboard.press('Enter')
    const answer = answersTo(page, (query) => query.includes('query User('))
    await page.keyboard.press('Control+Enter')
    assert.equal((await answer).data.user.name, 'Grace')
    await page.locator('.result-window', { hasText: 'grace@fieldgate.example' }).waitFor()
  }))

test('signing in works by keyboard, with the focus in the expected place', () =>
  inWindow({}, async (page) => {
    await open(page)
    const signIn = button(page, 'Sign in')
    for (let i = 0; i < 10 && !(await isFocused(signIn)); i++) await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    assert.ok(await isFocused(bar(page).getByLabel('E-mail')))
    assert.match(await page.evaluate(() => getComputedStyle(document.activeElement).outline), /solid 3px/)
    await page.keyboard.press('Escape')
    assert.ok(await isFocused(signIn))
    await page.keyboard.press('Enter')
    await page.keyboard.type('ada@fieldgate.example')
    await page.keyboard.press('Tab')
    await page.keyboard.type('fieldgate demo, known to all')
    await page.keyboard.press('Enter')
    await showsUser(page, 'Ada')
    assert.ok(await isFocused(button(page, 'Sign out')))
    await page.keyboard.press('Enter')
    await showsSignedOut(page)
    assert.ok(await isFocused(signIn))
    await button(page, 'Grace').focus()
    await page.keyboard.press('Enter')
    await showsUser(page, 'Grace')
    assert.ok(await isFocused(button(page, 'Grace')))
  }))

test('an unreachable server is reported and signs out no user', () =>
  inWindow({ noisy: true }, async (page) => {
    await open(page)
    await be(page, 'Ada')
    await page.route('**/graphql', (route) => route.abort())
    await button(page, 'Sign out').click()
    await page.getByRole('alert').filter({ hasText: 'The server does not answer.' }).waitFor()
    await showsUser(page, 'Ada')
  }))

test('a second factor: enrolled in the editor, then asked for at sign-in and before an operation', () =>
  inWindow({ on: 'the browser that enrols' }, async (page) => {
    const email = 'dora@example.com'
    const appCode = 'Code from your authenticator app'
    const alert = (on, text) => on.getByRole('alert').filter({ hasText: text }).waitFor()
    const signIn = (on) => sendForm(on, 'Sign in', { 'E-mail': email, Password: password })
    const prove = async (on, label, proof) => {
      await bar(on).getByLabel(label).fill(proof)
      await bar(on).locator('[type=submit]').click()
    }
    const shoot = async (on, name) => {
      for (const [screen, viewport] of Object.entries(screens)) {
        await on.setViewportSize(viewport)
        assert.ok(await on.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name}: the page scrolls sideways`)
        if (folder) await on.screenshot({ path: join(folder, `playground-${screen}-${name}.png`) })
      }
    }
    await open(page)
    await sendForm(page, 'Register', { Name: 'Dora', 'E-mail': email, Password: password })
    await showsUser(page, email)
    await inWindow({ on: 'a browser that signed in before the enrolment' }, async (other) => {
      await open(other)
      await signIn(other)
      await showsUser(other, email)

      const { secret } = (await runInPlayground(page, 'mutation { beginTotp { secret } }')).data.beginTotp
      const app = new TOTP({ secret: Secret.fromBase32(secret) })
      const now = Date.now() // each code counts once, and the server accepts those of one step before and after
      const code = (step) => app.generate({ timestamp: now + step * 30_000 })
      const { enableTotp: recoveryCodes } = (await runInPlayground(page, `mutation { enableTotp(code: "${code(-1)}") }`)).data

      await button(page, 'Sign out').click()
      await showsSignedOut(page)
      await signIn(page)
      await bar(page).getByText('Your account has a second factor.').waitFor()
      assert.ok(await isFocused(bar(page).getByLabel(appCode)))
      await accessible(page, 'the second factor', ofGraphiQL)
      await shoot(page, 'second-factor')
      await prove(page, appCode, '000000')
      await alert(page, 'The code is wrong, or was used before.')
      await prove(page, appCode, code(0))
      await showsUser(page, email)
      assert.ok(await page.getByRole('alert').isHidden())

      const answered = runInPlayground(other, 'mutation { beginTotp { uri } }')
      assert.deepEqual(codes(await answered), ['STEP_UP_REQUIRED'])
      await bar(other).getByText('Confirm your identity').waitFor()
      await accessible(other, 'the confirmation', ofGraphiQL)
      await shoot(other, 'confirmation')
      await button(other, 'Cancel').click()
      await other.locator('.result-window', { hasText: 'STEP_UP_REQUIRED' }).waitFor()
      await runInPlayground(other, 'mutation { beginTotp { uri } }')
      await button(other, 'Use a recovery code').click()
      await prove(other, 'Recovery code', recoveryCodes[0])
      await other.locator('.result-window', { hasText: 'otpauth://totp/' }).waitFor()
      assert.equal(await bar(other).getByLabel('Recovery code').count(), 0)
    })
    await button(page, 'Sign out').click()
    await signIn(page)
    await button(page, 'Cancel').click()
    await be(page, 'Ada')
    assert.deepEqual(codes(await runInPlayground(page, 'mutation { newRecoveryCodes }')), ['STEP_UP_REQUIRED'])
    await bar(page).getByText('This operation needs a second factor').waitFor()
  }))

test('GraphiQL’s dialogs obey the Content-Security-Policy, and the bar follows its theme', () =>
  inWindow({ colorScheme: 'light' }, async (page) => {
    await open(page)
    const color = () => bar(page).evaluate((e) => getComputedStyle(e).backgroundColor)
    assert.equal(await color(), 'rgb(255, 255, 255)')
    await page.getByRole('button', { name: 'Open settings dialog' }).click()
    await page.getByRole('button', { name: 'Dark' }).click()
    assert.notEqual(await color(), 'rgb(255, 255, 255)')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Open short keys dialog' }).click()
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click()
    await page.getByRole('link', { name: 'Mutation' }).or(page.getByText('Mutation', { exact: true })).first().click()
    await page.getByText('Creates an account with role USER').waitFor()
  }))

// Problems of GraphiQL itself.
const ofGraphiQL = {
  'color-contrast': ['.CodeMirror'], // the colors of the syntax, in light
  'scrollable-region-focusable': ['.CodeMirror'], // that textarea is what has the focus and takes the keys
  'nested-interactive': ['.graphiql-tab'], // a tab with its button to close it
}

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing in ${colorScheme} colors`, () =>
    inWindow({ colorScheme, viewport: { width: 1280, height: 800 } }, async (page) => {
      await open(page)
      await accessible(page, 'signed out', ofGraphiQL)
      await sendForm(page, 'Register', { Name: 'Bob', 'E-mail': 'bob@example.com', Password: 'short' })
      await page.getByRole('alert').filter({ hasText: 'password' }).waitFor()
      await accessible(page, 'a form with a problem', ofGraphiQL)
      await be(page, 'Ada')
      await runInPlayground(page, '{ me { name } users { edges { cursor } } }')
      await accessible(page, 'Ada', ofGraphiQL)
    }))
}

for (const [screen, viewport] of Object.entries(screens)) {
  test(`a ${screen} has room for a sign-in and a query`, () =>
    inWindow({ viewport, on: screen }, async (page) => {
      const shoot = async (name) => { if (folder) await page.screenshot({ path: join(folder, `${screen}-${name}.png`) }) }
      const fits = async (what) => {
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what}: the page scrolls sideways`)
        const cut = await page.evaluate(() => [...document.querySelectorAll('button, input, .graphiql-query-editor, .graphiql-response')]
          .filter((e) => e.checkVisibility({ visibilityProperty: true }))
          .map((e) => [e.getAttribute('aria-label') || e.textContent || e.name || e.className, e.getBoundingClientRect()])
          .filter(([, { left, right, width }]) => width > 1 && (left < 0 || right > innerWidth)).map(([name]) => name))
        assert.deepEqual(cut, [], `${what}: cut off`)
      }
      await open(page)
      await fits('signed out')
      await shoot('signed-out')
      await button(page, 'Register').click()
      await fits('the form')
      await shoot('form')
      await page.keyboard.press('Escape')
      await be(page, 'Ada')
      await runInPlayground(page, '{ me { id name email role emailVerified createdAt } }')
      await page.locator('.result-window', { hasText: 'ada@fieldgate.example' }).waitFor()
      await fits('an answer')
      const { y, height } = await page.locator('.graphiql-response').boundingBox()
      assert.ok(y >= 0 && y + height <= viewport.height, `the answer is in view: from ${y}, ${height} high`)
      await shoot('answer')
      for (const part of ['.graphiql-query-editor .CodeMirror', '.graphiql-response .CodeMirror']) {
        const { width, height } = await page.locator(part).boundingBox()
        assert.ok(width >= Math.min(300, viewport.width * 0.65) && height >= 120, `${part} is ${width} x ${height}`)
      }
    }))
}

test('the README’s screenshot', { skip: !picture }, () =>
  inWindow({ viewport: { width: 1280, height: 760 } }, async (page) => {
    await open(page)
    await be(page, 'Ada')
    await runInPlayground(page, `query WhatAdaSees {
  me {
    name
    role
  }
  users {
    edges {
      node {
        name
        email
      }
    }
  }
}`)
    await page.locator('.result-window', { hasText: 'FORBIDDEN' }).waitFor()
    await page.screenshot({ path: picture })
  }))
