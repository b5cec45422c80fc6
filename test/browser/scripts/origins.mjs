// A page and the API at different origins: CORS, cookies and protection against other sites.
//
//   node origins.mjs CHROMIUM LISTED API UNLISTED OTHERSITE
//
// LISTED and OTHERSITE are in CORS_ORIGINS, UNLISTED is not. OTHERSITE is another site than the API. All serve an empty
// page.

import assert from 'node:assert/strict'
import test from 'node:test'
import { inWindow, origin as listed } from './browser.mjs'

const [api, unlisted, otherSite] = process.argv.slice(4)
const also = [api, unlisted, otherSite]
const password = 'correct horse battery staple'
const payload = '{ accessToken refreshToken user { email } }'

/** Sends a query from a page at an origin, as its scripts would. A response that the browser hides is `{blocked: true}`. */
async function ask(page, from, query, { headers, ...init } = {}) {
  if (new URL(page.url()).origin !== from) await page.goto(from)
  return page.evaluate(async ([url, options]) => {
    try {
      const response = await fetch(url, options)
      return { status: response.status, idIsExposed: response.headers.has('X-Request-Id'), ...(await response.json()) }
    } catch {
      return { blocked: true }
    }
  }, [`${api}/graphql`, {
    method: 'POST', credentials: 'include', body: JSON.stringify({ query }), headers: { 'Content-Type': 'application/json', ...headers }, ...init,
  }])
}

const register = (name) => `mutation { register(input: {name: "${name}", email: "${name}@example.com", password: "${password}"}) ${payload} }`
const refresh = `mutation { refresh ${payload} }`
const codes = ({ errors }) => errors?.map((e) => e.extensions.code)

test('a page of a listed origin of the same site signs in and sends the cookie', () =>
  inWindow({ also }, async (page) => {
    const registered = await ask(page, listed, register('ada'))
    assert.equal(registered.data.register.refreshToken, null)
    const { data } = await ask(page, listed, refresh)
    assert.equal(data.refresh.user.email, 'ada@example.com')
    const me = await ask(page, listed, '{ me { email } }', { headers: { Authorization: `Bearer ${data.refresh.accessToken}` } })
    assert.equal(me.data.me.email, 'ada@example.com')
    assert.ok(me.idIsExposed)
    assert.equal(await page.evaluate(() => document.cookie), '')
    assert.deepEqual(codes(await ask(page, listed, refresh, { credentials: 'same-origin' })), ['INVALID_TOKEN'], 'without credentials: include')
  }))

test('a page of an unlisted origin can neither query nor use the cookie', () =>
  inWindow({ also, noisy: true }, async (page) => {
    await ask(page, listed, register('bob'))
    assert.deepEqual(await ask(page, unlisted, refresh), { blocked: true })
    assert.deepEqual(await ask(page, unlisted, 'mutation { logout }'), { blocked: true })
    // A request without a preflight reaches the server with the cookie, because it is the same site.
    assert.deepEqual(await ask(page, unlisted, 'mutation { logout }', { mode: 'no-cors', headers: { 'Content-Type': 'text/plain' } }), { blocked: true })
    await page.setContent(`<form method="post" enctype="text/plain" action="${api}/graphql"><input name='{"query":"mutation{logout}","x":"' value='"}'></form>`)
    const [answer] = await Promise.all([page.waitForNavigation(), page.evaluate(() => document.forms[0].submit())])
    assert.equal(answer.status(), 403)
    const { data } = await ask(page, listed, refresh)
    assert.equal(data.refresh.user.email, 'bob@example.com', 'still signed in')
  }))

test('a listed page of another site can query, without the cookie because of SameSite=Strict', () =>
  inWindow({ also }, async (page) => {
    await ask(page, listed, register('eve'))
    assert.deepEqual(codes(await ask(page, otherSite, refresh)), ['INVALID_TOKEN'])
    const registered = await ask(page, otherSite, register('mallory'))
    assert.ok(registered.data.register.accessToken)
    assert.deepEqual(codes(await ask(page, otherSite, refresh)), ['INVALID_TOKEN'], 'the browser does not store a cookie set for that page')
    const { data } = await ask(page, listed, refresh)
    assert.equal(data.refresh.user.email, 'eve@example.com')
  }))

const load = ([url, name, attributes]) => new Promise((done) => {
  const element = Object.assign(document.createElement(name), { [name === 'link' ? 'href' : 'src']: url, ...attributes })
  element.onload = () => done('loaded')
  element.onerror = () => done('failed')
  document.head.append(element)
})

// TestBrowser checks the statuses in the server's log, because the browser does not expose responses to markup.
test('a GET works for scripts of listed pages, and for no image, script element, style or link of any page', () =>
  inWindow({ also, noisy: true }, async (page) => {
    const registered = await ask(page, listed, register('carol'))
    const url = `${api}/graphql?query=${encodeURIComponent('{ me { email } }')}`
    const get = (headers) => page.evaluate(async ([url, headers]) => {
      try {
        return await (await fetch(url, { credentials: 'include', headers })).json()
      } catch {
        return { blocked: true }
      }
    }, [url, headers])
    assert.equal((await get({ Authorization: `Bearer ${registered.data.register.accessToken}` })).data.me.email, 'carol@example.com')
    assert.deepEqual(codes(await get({ Accept: 'application/json' })), ['UNAUTHENTICATED'], 'with the cookie alone')
    await page.goto(unlisted)
    assert.deepEqual(await get({ Accept: 'application/json' }), { blocked: true })
    for (const from of [listed, unlisted, otherSite]) {
      await page.goto(from)
      for (const [name, attributes] of [
        ['img', {}], ['img', { crossOrigin: 'use-credentials' }], ['script', {}], ['script', { type: 'module' }], ['link', { rel: 'stylesheet' }],
      ]) {
        assert.equal(await page.evaluate(load, [url, name, attributes]), 'failed')
      }
    }
    assert.equal((await page.goto(url)).status(), 403)
  }))
