import { afterEach, expect, test, vi } from 'vitest'
import { FakeLocks, FakeServer, nextTurn } from './fake-server'
import { Session } from './session'

const open: Session[] = []
afterEach(() => {
  for (const session of open.splice(0)) session.close()
  vi.useRealTimers()
})

let names = 0

/** A browser in which tests open tabs of the app. */
function browser(server: FakeServer, { withoutLocks = false } = {}) {
  const locks = withoutLocks ? undefined : new FakeLocks()
  const name = `test-${++names}`
  return {
    tab: () => {
      const session = new Session({ fetch: server.fetch, name, ...(locks && { locks }) })
      open.push(session)
      return session
    },
  }
}

const tabOf = (server: FakeServer) => browser(server).tab()

const invalid = () => Promise.resolve(Response.json({ data: null, errors: [{ extensions: { code: 'INVALID_TOKEN' } }] }))
const stepUpErrors = [{ extensions: { code: 'STEP_UP_REQUIRED', methods: ['PASSWORD', 'TOTP'] } }]
const errors = (reason: string) => [{ extensions: { code: 'UNAUTHENTICATED', reason } }]

/** Resolves when a change of the session makes the condition true. */
const until = (session: Session, condition: () => boolean) =>
  new Promise<void>((resolve) => {
    const check = () => { if (condition()) resolve() }
    session.subscribe(check)
    check()
  })
const status = (session: Session, want: string) => until(session, () => session.getState().status === want)

function fakeTime() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  return async (milliseconds: number) => {
    await vi.advanceTimersByTimeAsync(milliseconds)
    for (let i = 0; i < 20; i++) await nextTurn() // for the server's responses
  }
}

test('start sends one refresh, even if it is called several times', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  expect(session.getState().status).toBe('starting')
  await Promise.all([session.start(), session.start(), session.accessToken()])
  await session.start()
  expect(session.getState()).toEqual({ status: 'signed-in', sessionId: 'session-1', unreachable: false })
  expect(server.refreshes).toBe(1)
})

test('without a cookie the user is signed out, and no further refresh is sent', async () => {
  const server = new FakeServer()
  server.cookie = undefined
  const session = tabOf(server)
  expect(await session.accessToken()).toBeUndefined()
  expect(await session.refresh(undefined)).toBe(false)
  expect(session.getState()).toEqual({ status: 'signed-out', unreachable: false })
  expect(server.refreshes).toBe(1)
})

test('ten requests with the same stale token share one refresh, and a later one uses the new token', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  const stale = await session.accessToken()
  expect(await Promise.all(Array.from({ length: 10 }, () => session.refresh(stale)))).toEqual(Array(10).fill(true))
  expect(await session.refresh(stale)).toBe(true)
  expect(server.refreshes).toBe(2)
})

test('tabs refresh in turn, and waiting tabs take the token of the first', async () => {
  const server = new FakeServer()
  const { tab } = browser(server)
  const tabs = [tab(), tab(), tab()]
  await Promise.all(tabs.map((t) => t.start()))
  expect(server.refreshes).toBe(1)
  const tokens = await Promise.all(tabs.map((t) => t.accessToken()))
  expect(new Set(tokens).size).toBe(1)
})

test('a tab closed during its refresh does not block the other tabs', async () => {
  const server = new FakeServer()
  const { tab } = browser(server)
  const [closed, other] = [tab(), tab()]
  const starting = closed.start()
  closed.close()
  server.overrides.refresh = undefined
  await Promise.all([starting.catch(() => {}), other.start()])
  expect(other.getState().status).toBe('signed-in')
  expect(server.refreshes).toBe(2)
})

test('without Web Locks each tab refreshes separately', async () => {
  const server = new FakeServer()
  const { tab } = browser(server, { withoutLocks: true })
  const tabs = [tab(), tab()]
  await Promise.all(tabs.map((t) => t.start()))
  expect(tabs.map((t) => t.getState().status)).toEqual(['signed-in', 'signed-in'])
})

test('a sign-in or sign-out applies to all tabs', async () => {
  const server = new FakeServer()
  server.cookie = undefined
  const { tab } = browser(server)
  const [a, b] = [tab(), tab()]
  await Promise.all([a.start(), b.start()])
  a.accept(server.signIn('session-2'))
  await status(b, 'signed-in')
  expect(b.getState().sessionId).toBe('session-2')
  expect(await b.accessToken()).toBe(await a.accessToken())
  expect(await b.signOut()).toBe(true)
  await status(a, 'signed-out')
  expect(server.cookie).toBeUndefined()
})

test('a sign-in as another user replaces the session in the other tabs', async () => {
  const server = new FakeServer()
  const { tab } = browser(server)
  const [a, b] = [tab(), tab()]
  await Promise.all([a.start(), b.start()])
  a.accept(server.signIn('session-of-bob'))
  await until(b, () => b.getState().sessionId === 'session-of-bob')
})

test('the end of another session does not end this one', async () => {
  const server = new FakeServer()
  const { tab } = browser(server)
  const [a, b] = [tab(), tab()]
  await Promise.all([a.start(), b.start()])
  const others = new BroadcastChannel(`test-${names}-session`)
  others.postMessage({ ended: 'session-0' })
  others.postMessage({ unreachable: 0 })
  others.close()
  await until(b, () => b.getState().unreachable)
  expect(b.getState().status).toBe('signed-in')
})

test('a sign-in cancels a refresh that waits for the lock', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  const starting = session.start()
  session.accept(server.signIn('session-2'))
  await starting
  expect(session.getState().sessionId).toBe('session-2')
  expect(server.refreshes).toBe(0)
})

test('a failed refresh does not end a sign-in made during it', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  server.overrides.refresh = () => {
    session.accept(server.signIn('session-2'))
    return invalid()
  }
  await session.start()
  expect(session.getState()).toEqual({ status: 'signed-in', sessionId: 'session-2', unreachable: false })
})

test('a tab that waited for an unanswered refresh sends none of its own', async () => {
  const server = new FakeServer()
  server.overrides.refresh = () => Promise.reject(new TypeError('Failed to fetch'))
  const { tab } = browser(server)
  const tabs = [tab(), tab()]
  await Promise.all(tabs.map((t) => t.start()))
  expect(tabs.map((t) => t.getState())).toEqual(Array(2).fill({ status: 'starting', unreachable: true }))
  expect(server.refreshes).toBe(1)
})

for (const [name, respond] of Object.entries({
  'no network': () => Promise.reject(new TypeError('Failed to fetch')),
  "a proxy's page": () => Promise.resolve(new Response('<h1>Bad gateway</h1>', { status: 502 })),
  'an empty response of a proxy': () => Promise.resolve(new Response('', { status: 500 })),
  RATE_LIMITED: () => Promise.resolve(Response.json({ data: null, errors: [{ extensions: { code: 'RATE_LIMITED', retryAfter: 30 } }] })),
  OVERLOADED: () => Promise.resolve(Response.json({ data: null, errors: [{ extensions: { code: 'OVERLOADED', retryAfter: 30 } }] })),
  UNAVAILABLE: () => Promise.resolve(Response.json({ data: null, errors: [{ extensions: { code: 'UNAVAILABLE', retryAfter: 30 } }] })),
  INTERNAL: () => Promise.resolve(Response.json({ errors: [{ extensions: { code: 'INTERNAL' } }] }, { status: 500 })),
})) {
  test(`${name}: the user stays signed in, and the refresh is retried`, async () => {
    const pass = fakeTime()
    const server = new FakeServer()
    const session = tabOf(server)
    const stale = await session.accessToken()
    server.overrides.refresh = respond
    expect(await session.refresh(stale)).toBe(false)
    expect(session.getState()).toEqual({ status: 'signed-in', sessionId: 'session-1', unreachable: true })
    server.overrides.refresh = undefined
    await pass(30_000)
    expect(session.getState().unreachable).toBe(false)
    expect(server.refreshes).toBe(3)
  })
}

test('without a response the refresh is retried with increasing delays, and the status stays starting', async () => {
  const pass = fakeTime()
  const server = new FakeServer()
  server.overrides.refresh = () => Promise.reject(new TypeError('Failed to fetch'))
  const session = tabOf(server)
  expect(await session.accessToken()).toBeUndefined()
  expect(session.getState()).toEqual({ status: 'starting', unreachable: true })
  for (let i = 0; i < 3600; i += 5) await pass(5000)
  expect(server.refreshes).toBeLessThan(70) // in an hour
  expect(server.refreshes).toBeGreaterThan(50)
  server.cookie = undefined
  server.overrides.refresh = undefined
  await pass(60_000)
  expect(session.getState()).toEqual({ status: 'signed-out', unreachable: false })
})

test('a rate-limited refresh is retried after retryAfter', async () => {
  const pass = fakeTime()
  const server = new FakeServer()
  server.overrides.refresh = () => Promise.resolve(Response.json({ data: null, errors: [{ extensions: { code: 'RATE_LIMITED', retryAfter: 30 } }] }))
  const session = tabOf(server)
  await session.start()
  await pass(29_000)
  expect(server.refreshes).toBe(1)
  await pass(1_000)
  expect(server.refreshes).toBe(2)
})

test('a token is renewed shortly before it expires, independent of the local clock', async () => {
  const pass = fakeTime()
  const server = new FakeServer()
  const session = tabOf(server)
  await session.start()
  await pass(869_000)
  expect(server.refreshes).toBe(1)
  await pass(2_000)
  expect(server.refreshes).toBe(2)
  await pass(870_000)
  expect(server.refreshes).toBe(3)
})

test('a token that expired while the machine slept is renewed before the next request', async () => {
  fakeTime()
  const server = new FakeServer()
  const session = tabOf(server)
  const stale = await session.accessToken()
  vi.setSystemTime(Date.now() + 3_600_000) // timers do not fire while a machine sleeps
  expect(await session.accessToken()).not.toBe(stale)
  expect(server.refreshes).toBe(2)
})

test('a rejected new token signs out, a rejected old token does not', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  const old = await session.accessToken()
  await session.refresh(old)
  session.checkRetry(errors('revoked'), old)
  session.checkRetry(errors('expired'), await session.accessToken())
  session.checkRetry(undefined, await session.accessToken())
  expect(session.getState().status).toBe('signed-in')
  session.checkRetry(errors('revoked'), await session.accessToken())
  expect(session.getState().status).toBe('signed-out')
})

test('signOut resolves to false and keeps the session if the server does not answer', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  await session.start()
  server.overrides.logout = () => Promise.reject(new TypeError('Failed to fetch'))
  expect(await session.signOut()).toBe(false)
  expect(session.getState().status).toBe('signed-in')
})

test('no token is renewed after a sign-out', async () => {
  const pass = fakeTime()
  const server = new FakeServer()
  const session = tabOf(server)
  await session.start()
  await session.signOut()
  await pass(3_600_000)
  expect(server.refreshes).toBe(1)
})

test('confirmIdentity replaces the token in all tabs', async () => {
  const server = new FakeServer()
  server.stepUp = ['PASSWORD']
  const { tab } = browser(server)
  const [a, b] = [tab(), tab()]
  const before = await a.accessToken()
  await b.start()
  expect(await a.confirmIdentity('PASSWORD', 'right')).toBeUndefined()
  expect(await a.accessToken()).not.toBe(before)
  await nextTurn()
  await vi.waitFor(async () => { expect(await b.accessToken()).toBe(await a.accessToken()) })
  expect(server.confirmations).toBe(1)
})

test('a wrong proof resolves to the errors, and keeps the token', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  const before = await session.accessToken()
  expect(await session.confirmIdentity('PASSWORD', 'wrong')).toMatchObject([{ extensions: { code: 'INVALID_CREDENTIALS' } }])
  expect(await session.accessToken()).toBe(before)
  server.overrides.confirmIdentity = () => Promise.reject(new TypeError('Failed to fetch'))
  expect(await session.confirmIdentity('PASSWORD', 'right')).toBeNull()
  expect(session.getState().status).toBe('signed-in')
})

test('confirmIdentity with an expired token refreshes first', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  await session.start()
  server.validTokens.clear()
  expect(await session.confirmIdentity('PASSWORD', 'right')).toBeUndefined()
  expect([server.confirmations, server.refreshes]).toEqual([2, 2])
})

test('requests that need a confirmation at the same time share one dialog', async () => {
  const server = new FakeServer()
  const answers: ((confirmed: boolean) => void)[] = []
  const asked: unknown[] = []
  const session = new Session({
    fetch: server.fetch, name: `test-${++names}`,
    onStepUp: (required) => { asked.push(required); return new Promise((resolve) => { answers.push(resolve) }) },
  })
  open.push(session)
  const past = Array.from({ length: 3 }, () => new Set<string>())
  const recovering = past.map((p) => session.recover(stepUpErrors, undefined, false, p))
  expect(asked).toEqual([{ methods: ['PASSWORD', 'TOTP'] }])
  answers[0]?.(true)
  expect(await Promise.all(recovering)).toEqual([true, true, true])
  expect(await session.recover(stepUpErrors, undefined, false, past[0]!)).toBe(false) // it had its dialog
  const second = session.recover(stepUpErrors, undefined, false, past[1]!) // the first dialog did not prove enough
  answers[1]?.(false)
  expect(await second).toBe(false)
  expect(await session.recover(stepUpErrors, undefined, true, new Set())).toBe(false) // partly applied
  expect(asked).toHaveLength(2)
})

test('a dialog that fails counts as cancelled', async () => {
  const session = new Session({ fetch: new FakeServer().fetch, name: `test-${++names}`, onStepUp: () => Promise.reject(new Error('broken')) })
  open.push(session)
  expect(await session.recover(stepUpErrors, undefined, false, new Set())).toBe(false)
})
