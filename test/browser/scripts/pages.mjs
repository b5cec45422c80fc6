// The pages of mail links, and the inbox.
//
//   node pages.mjs CHROMIUM ORIGIN
//
// ORIGIN serves the pages, the application at /app and an inbox with two mails at /dev/mail. The script answers for the API.

import assert from 'node:assert/strict'
import test from 'node:test'
import { accessible, inWindow, origin } from './browser.mjs'

const token = 'a-token_of-a-user'

const query = 'mutation($token: String!, $password: String) { verifyEmail(token: $token, password: $password) }'
const verifying = { query, variables: { token } }
const proving = { proves: true, label: 'Password of the account', types: 'correct horse ✓', sends: { query, variables: { token, password: 'correct horse ✓' } } }

// For each page: the input, the button, the request that it sends, and the heading after success.
const pages = [
  { ...proving, path: '/verify-email', button: 'Confirm this address', disowned: 'The account\'s sessions and password are removed', done: 'Your address is confirmed' },
  { ...proving, path: '/confirm-email', button: 'Use this address', disowned: 'The change is cancelled', done: 'Your address is changed' },
  { path: '/undo-email-change', button: 'Put the old address back', sends: verifying, done: 'The old address is back' },
  {
    path: '/reset-password',
    button: 'Set the password',
    label: 'New password',
    types: 'correct horse ✓',
    sends: {
      query: 'mutation($token: String!, $newPassword: String!) { resetPassword(input: {token: $token, newPassword: $newPassword}) }',
      variables: { token, newPassword: 'correct horse ✓' },
    },
    done: 'Your password is changed',
  },
  {
    path: '/reset-password',
    tokenless: true,
    button: 'Send the link',
    label: 'E-mail address',
    types: 'ada@example.com',
    sends: { query: 'mutation($email: String!) { requestPasswordReset(email: $email) }', variables: { email: 'ada@example.com' } },
    done: 'Check your mail',
  },
].map((it) => ({ ...it, name: it.path + (it.tokenless ? '' : '?token'), url: origin + it.path + (it.tokenless ? '' : `?token=${token}`) }))

const [verify, confirm, , reset, forgot] = pages

const yes = { data: { verifyEmail: true, disownEmail: true, resetPassword: true, requestPasswordReset: true } }
const refusal = (code, more) => ({ data: null, errors: [{ message: 'no', path: [], extensions: { code, ...more } }] })
const badInput = (...fields) => refusal('BAD_USER_INPUT', { fields })

const button = (page, it) => page.getByRole('button', { name: it.button })
const heading = (page) => page.getByRole('heading', { level: 1 })
const field = (page, it) => page.getByLabel(it.label, { exact: true })
const problem = (page) => page.locator('.problem:visible')

// open navigates to a page from another one: a reload would keep state.
async function open(page, url) {
  if (page.url() === url) await page.goto(`${origin}/app`)
  await page.goto(url)
}

async function fill(page, it) {
  await open(page, it.url)
  if (it.types) await field(page, it).fill(it.types)
}

async function press(page, it) {
  await button(page, it).click()
}

async function isDone(page, it) {
  await page.getByRole('heading', { level: 1, name: it.done }).waitFor()
}

async function isDead(page) {
  await page.getByRole('heading', { level: 1, name: 'This link no longer works' }).waitFor()
}

const isFocused = (locator) => locator.evaluate((e) => e === document.activeElement)

// Responses of the API other than success, and the message that the page shows.
const answers = [
  [refusal('RATE_LIMITED', { retryAfter: 30 }), 'Too many attempts. Try again in 30 seconds.'],
  [refusal('RATE_LIMITED', { retryAfter: 899 }), 'Too many attempts. Try again in 15 minutes.'],
  [refusal('OVERLOADED', { retryAfter: 1 }), 'The server is busy. Nothing was changed. Try again in 1 second.'],
  [refusal('UNAVAILABLE', { retryAfter: 5 }), 'The server is busy. Nothing was changed. Try again in 5 seconds.'],
  [refusal('UNAVAILABLE'), 'The server is busy. Nothing was changed. Try again later.'],
  [refusal('EMAIL_TAKEN'), 'Another account uses this address now. Nothing was changed.'],
  [refusal('CONFLICT'), 'Another account uses this address now. Nothing was changed.'],
  [refusal('INTERNAL', { requestId: 'r-1' }), 'Something went wrong. Try again later. If you report it, include r-1.'],
  [badInput({ name: 'other', message: 'must not be <b>' }), 'other must not be <b>.'],
  [{ data: { verifyEmail: false, resetPassword: false, requestPasswordReset: false } }, 'Something went wrong. Try again later.'],
  [(route) => route.abort(), 'The server does not answer. Check your connection and try again.'],
  [(route) => route.fulfill({ status: 502, body: '<h1>Bad gateway</h1>' }), 'Something went wrong. Try again later.'],
]

for (const it of pages) {
  test(`${it.name}: opening it repeatedly sends nothing and removes the token from the URL and the page`, () =>
    inWindow({ played: true }, async (page, { sent }) => {
      for (let i = 0; i < 3; i++) {
        await open(page, it.url)
        assert.equal(page.url(), origin + it.path)
        assert.ok(!(await page.content()).includes(token))
      }
      await page.reload()
      await page.goto(`${origin}/app`)
      await page.goBack()
      await page.goForward()
      await page.goBack()
      await button(page, it).waitFor()
      assert.equal(page.url(), origin + it.path)
      assert.equal(sent.length, 0)
    }))

  test(`${it.name}: a double click sends one request, and the focused heading shows the result`, () =>
    inWindow({ played: true }, async (page, { sent, answers }) => {
      let release
      const held = new Promise((resolve) => { release = resolve })
      answers.push(async (route) => { await held; await route.fulfill({ json: yes }) })
      await page.context().addCookies([{ name: 'refresh', value: 'x', url: origin }])
      await fill(page, it)
      await button(page, it).dblclick()
      await page.getByRole('status').filter({ hasText: 'One moment' }).waitFor()
      assert.ok(await isFocused(button(page, it)), 'the button keeps the focus')
      await page.keyboard.press('Enter')
      if (it.types) await field(page, it).press('Enter')
      release()
      await isDone(page, it)
      assert.deepEqual(sent.map((r) => r.postDataJSON()), [it.sends])
      const { cookie, referer } = await sent[0].allHeaders()
      assert.deepEqual([cookie, referer], [it.proves ? 'refresh=x' : undefined, undefined])
      assert.ok(await isFocused(heading(page)))
      assert.equal(await page.title(), `${it.done} · Fieldgate`)
      assert.equal(await button(page, it).count(), 0)
      assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0)
    }))

  test(`${it.name}: works by keyboard with a visible focus; a reload changes nothing, and Back sends nothing`, () =>
    inWindow({ played: true }, async (page, { sent, answers }) => {
      answers.push(yes)
      await open(page, it.url)
      await page.reload()
      await heading(page).waitFor()
      for (let i = 0; i < 5 && !(await isFocused(button(page, it))); i++) {
        await page.keyboard.press('Tab')
        assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement).outline.replace(/.*\)/, '').trim()), 'solid 3px')
        if (it.types && (await isFocused(field(page, it)))) await page.keyboard.insertText(it.types)
      }
      await page.keyboard.press('Enter')
      await isDone(page, it)
      assert.deepEqual(sent.map((r) => r.postDataJSON()), [it.sends])
      if (it.tokenless) return // another link can be requested
      await page.reload()
      await isDone(page, it)
      await page.getByRole('link', { name: 'Go to Fieldgate' }).click()
      await page.getByRole('heading', { name: 'The application' }).waitFor()
      await page.goBack()
      await isDone(page, it)
      assert.deepEqual(await page.evaluate(() => history.state), { view: 'done' }, 'the token is forgotten')
      assert.equal(sent.length, 1)
    }))

  // All pages share one script, so two of them are tested with all responses.
  const some = [verify, reset].includes(it) ? answers : answers.slice(0, 1)
  test(`${it.name}: each error has a message, and the button works again`, () =>
    inWindow({ played: true, noisy: true }, async (page, api) => {
      await fill(page, it)
      for (const [answer, says] of some) {
        api.answers.push(answer)
        await press(page, it)
        await problem(page).getByText(says, { exact: true }).waitFor()
        assert.ok(await isFocused(problem(page)), says)
      }
      api.answers.push(yes)
      await press(page, it)
      await isDone(page, it)
      assert.deepEqual(api.sent.map((r) => r.postDataJSON()), Array(some.length + 1).fill(it.sends))
    }))
}

for (const it of pages.filter((it) => !it.tokenless)) {
  test(`${it.name}: an invalid link has its own message and a link to request another`, () =>
    inWindow({ played: true }, async (page, { answers }) => {
      answers.push(refusal('INVALID_TOKEN'))
      await fill(page, it)
      await press(page, it)
      for (const again of [() => {}, () => page.reload()]) {
        await again()
        await isDead(page)
        await page.getByText('It was already used, has expired, or was replaced by a newer one.').filter({ visible: true }).waitFor()
        assert.equal(await page.getByRole('button').count(), 0)
        assert.ok((await page.getByRole('main').getByRole('link').count()) > 0)
      }
      assert.deepEqual(await page.evaluate(() => history.state), { view: 'dead' })
    }))
}

test('an invalid reset link leads to the form for another, and Back returns', () =>
  inWindow({ played: true }, async (page, { sent, answers }) => {
    answers.push(refusal('INVALID_TOKEN'), yes)
    await fill(page, reset)
    await press(page, reset)
    await page.getByRole('link', { name: 'Ask for another link' }).click()
    await field(page, forgot).fill(forgot.types)
    await press(page, forgot)
    await isDone(page, forgot)
    await page.getByText('an account with the address ada@example.com').waitFor()
    assert.deepEqual(sent[1].postDataJSON(), forgot.sends)
    await page.goBack()
    await isDead(page)
  }))

for (const it of [reset, forgot]) {
  test(`${it.name}: the server's message about a field is shown at the field`, () =>
    inWindow({ played: true }, async (page, { answers }) => {
      const name = it.types === reset.types ? 'newPassword' : 'email'
      answers.push(badInput({ name, message: 'must have at least 8 characters' }, { name, message: 'is too common' }), yes)
      await fill(page, it)
      await press(page, it)
      await page.locator('[aria-invalid=true]').waitFor()
      assert.equal(await field(page, it).evaluate((e) => document.getElementById(e.getAttribute('aria-describedby')).textContent),
        'It must have at least 8 characters. It is too common.')
      assert.ok(await isFocused(field(page, it)))
      assert.equal(await field(page, it).inputValue(), it.types, 'what was typed stays')
      assert.equal(await problem(page).count(), 0)
      await press(page, it)
      await isDone(page, it)
    }))

  test(`${it.name}: an empty field is not sent`, () =>
    inWindow({ played: true }, async (page, { sent }) => {
      await open(page, it.url)
      await press(page, it)
      assert.ok(await isFocused(field(page, it)))
      assert.equal(await field(page, it).getAttribute('aria-invalid'), 'true')
      assert.equal(sent.length, 0)
    }))
}

for (const it of [verify, confirm]) {
  test(`${it.name}: without proof the page asks for the password, and reports a wrong one at its field`, () =>
    inWindow({ played: true, noisy: true }, async (page, { sent, answers }) => {
      const says = async (text) => {
        await page.locator('[aria-invalid=true]').waitFor()
        await page.locator('#password-error', { hasText: text }).waitFor()
        assert.ok(await isFocused(field(page, it)))
      }
      answers.push(refusal('PROOF_REQUIRED'), refusal('PROOF_REQUIRED'), yes)
      await open(page, it.url)
      await press(page, it)
      await says('Type the password of the account.')
      await field(page, it).fill(it.types)
      await press(page, it)
      await says('This is not the password of the account.')
      const error = await page.locator('#password-error').innerText()
      assert.equal(error.includes('try the links in the others'), it.path === '/verify-email', error) // each registration has its own
      await press(page, it)
      await isDone(page, it)
      assert.deepEqual(sent.map((r) => r.postDataJSON()), [verifying, it.sends, it.sends])
    }))

  test(`${it.name}: "This was not me" sends the token only, without a cookie or the password`, () =>
    inWindow({ played: true }, async (page, { sent, answers }) => {
      answers.push(yes)
      await page.context().addCookies([{ name: 'refresh', value: 'x', url: origin }])
      await fill(page, it)
      await page.getByRole('button', { name: 'This was not me' }).click()
      await page.getByRole('heading', { level: 1, name: it.disowned }).waitFor()
      assert.deepEqual(sent.map((r) => r.postDataJSON()), [{ query: 'mutation($token: String!) { disownEmail(token: $token) }', variables: { token } }])
      assert.equal((await sent[0].allHeaders()).cookie, undefined)
      assert.ok(await isFocused(heading(page)))
      await page.reload()
      await page.getByRole('heading', { level: 1, name: it.disowned }).waitFor()
      assert.equal(await page.getByRole('button').count(), 0)
    }))
}

test('an address without an @ is not sent', () =>
  inWindow({ played: true }, async (page, { sent }) => {
    await open(page, forgot.url)
    await field(page, forgot).fill('ada')
    await press(page, forgot)
    await page.getByText('Type an e-mail address, as in ada@example.com.').waitFor()
    assert.equal(sent.length, 0)
  }))

test('a password can be shown, and is hidden before it is sent', () =>
  inWindow({ played: true }, async (page, { answers }) => {
    answers.push(refusal('RATE_LIMITED'))
    await fill(page, reset)
    const password = field(page, reset)
    const toggle = page.getByRole('button', { name: 'Show the password' })
    const state = async () => [await password.getAttribute('type'), await toggle.getAttribute('aria-pressed')]
    assert.deepEqual(await state(), ['password', 'false'])
    await toggle.press('Space')
    assert.deepEqual(await state(), ['text', 'true'])
    await toggle.press('Space')
    await toggle.press('Enter')
    assert.deepEqual(await state(), ['text', 'true'])
    await press(page, reset)
    await problem(page).waitFor()
    assert.deepEqual(await state(), ['password', 'false'])
    assert.equal(await password.getAttribute('autocomplete'), 'new-password')
  }))

test('without JavaScript a page shows that it requires it', () =>
  inWindow({ javaScriptEnabled: false }, async (page) => {
    for (const it of pages) {
      await open(page, it.url)
      await page.locator('noscript p', { hasText: 'This page needs JavaScript.' }).waitFor()
      assert.equal(await page.locator('form:visible, section:visible').count(), 0)
    }
  }))

test('without a token a page shows that it requires the link', () =>
  inWindow({}, async (page) => {
    for (const it of pages.filter((it) => it.path !== reset.path)) {
      for (const query of ['', '?token=', '?tokne=x']) {
        await open(page, origin + it.path + query)
        await page.getByRole('heading', { name: 'This page needs the link from the mail' }).waitFor()
        assert.equal(await page.getByRole('button').count(), 0)
      }
    }
  }))

test('the inbox works without JavaScript', () =>
  inWindow({ javaScriptEnabled: false }, async (page) => {
    await open(page, `${origin}/dev/mail`)
    assert.deepEqual(await page.getByRole('heading', { level: 2 }).allInnerTexts(), ['The newer one', 'The older one'])
    await page.getByText('The text').first().click()
    await page.getByText('Hello <Ada>').waitFor()
    await page.getByRole('link', { name: 'Refresh' }).click()
    await page.getByText('Hello <Ada>').waitFor({ state: 'hidden' })
    await page.getByRole('link', { name: `${origin}/verify-email` }).click()
    await page.waitForURL('**/verify-email?*')
  }))

test('axe finds no problem in any state, and nothing overflows on the smallest phone', () =>
  inWindow({ viewport: { width: 320, height: 560 }, isMobile: true, hasTouch: true, played: true }, async (page, { answers }) => {
    const look = async (name) => {
      const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
      assert.ok(wide <= room && room === 320, `${name} is ${wide} wide in a window of ${room}`)
      await accessible(page, name)
    }
    for (const it of pages) {
      await open(page, it.url)
      await look(`${it.name}, opened`)
      if (it.types) {
        if (it.proves) answers.push(refusal('PROOF_REQUIRED'))
        await press(page, it)
        await page.locator('[aria-invalid=true]').waitFor()
        await look(`${it.name}, with a mistake`)
        await field(page, it).fill(it.types)
      }
      if (it === reset) {
        await page.getByRole('button', { name: 'Show the password' }).click()
        await look('the password is shown')
      }
      let release
      const held = new Promise((resolve) => { release = resolve })
      answers.push(async (route) => { await held; await route.fulfill({ json: refusal('RATE_LIMITED', { retryAfter: 30 }) }) }, yes)
      await press(page, it)
      await page.getByText('One moment').waitFor()
      await look(`${it.name}, under way`)
      release()
      await problem(page).waitFor()
      await look(`${it.name}, rejected`)
      await press(page, it)
      await isDone(page, it)
      await look(`${it.name}, done`)
    }
    for (const it of pages.filter((it) => !it.tokenless)) {
      answers.push(refusal('INVALID_TOKEN'))
      await fill(page, it)
      await press(page, it)
      await isDead(page)
      await look(`${it.name}, dead`)
    }
    await open(page, origin + confirm.path)
    await look('without a token')
    await open(page, `${origin}/dev/mail`)
    await page.getByText('The text').first().click()
    await look('the inbox')
  }))
