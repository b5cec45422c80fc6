// The life of an account: register in the playground, confirm the address by mail, request a password reset,
// set a new password by mail, sign in with it.
//
//   node life.mjs CHROMIUM ORIGIN
//
// ORIGIN is a development server without SMTP_URL.

import assert from 'node:assert/strict'
import test from 'node:test'
import { askInPlayground, inWindow, origin, timeout } from './browser.mjs'

const email = 'ada@example.com'

test('register, confirm, forget, choose, sign in', { timeout: 6 * timeout }, () =>
  inWindow({}, async (playground) => {
    const { register } = await askInPlayground(playground, `mutation {
      register(input: {name: "Ada", email: "${email}", password: "correct horse battery"}) { user { emailVerified } }
    }`)
    assert.equal(register.user.emailVerified, false)

    const page = await playground.context().newPage()
    await clickInInbox(page, '/verify-email')
    await page.getByRole('button', { name: 'Confirm this address' }).click()
    await page.getByRole('heading', { name: 'Your address is confirmed' }).waitFor()

    await page.goto(`${origin}/reset-password`)
    await page.getByLabel('E-mail address').fill(email)
    await page.getByRole('button', { name: 'Send the link' }).click()
    await page.getByRole('heading', { name: 'Check your mail' }).waitFor()

    await clickInInbox(page, '/reset-password')
    const password = page.getByLabel('New password', { exact: true })
    await password.fill('short')
    await page.getByRole('button', { name: 'Set the password' }).click()
    await page.getByText('It must have at least 8 characters.').waitFor() // does not use up the link
    await password.fill('another battery staple')
    await page.getByRole('button', { name: 'Set the password' }).click()
    await page.getByRole('heading', { name: 'Your password is changed' }).waitFor()

    const { login } = await askInPlayground(playground, `mutation {
      login(input: {email: "${email}", password: "another battery staple"}) { user { email emailVerified } }
    }`)
    assert.deepEqual(login.user, { email, emailVerified: true })

    await clickInInbox(page, '/reset-password')
    await page.getByLabel('New password', { exact: true }).fill('a third battery staple')
    await page.getByRole('button', { name: 'Set the password' }).click()
    await page.getByRole('heading', { name: 'This link no longer works' }).waitFor()
  }))

// clickInInbox waits for a mail with a link to a page, and opens the newest one.
async function clickInInbox(page, path) {
  await page.goto(`${origin}/dev/mail`)
  const link = page.locator(`article a[href^="${origin}${path}?"]`).first()
  for (const end = Date.now() + timeout; !(await link.isVisible());) {
    assert.ok(Date.now() < end, `no mail with a link to ${path}: ${await page.getByRole('main').innerText()}`)
    await page.getByRole('link', { name: 'Refresh' }).click()
  }
  await link.click()
}
