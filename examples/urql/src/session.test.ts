import { afterEach, expect, test, vi } from 'vitest'
import { FakeLocks, FakeServer, turn } from './fake-server'
import { Session } from './session'

const open: Session[] = []
afterEach(() => {
  for (const session of open.splice(0)) session.close()
  vi.useRealTimers()
})

let names = 0

/** A browser with some tabs on the app. */
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
const errors = (reason: string) => [{ extensions: { code: 'UNAUTHENTICATED', reason } }]

/** Resolves when a session says what is wanted. */
const until = (session: Session, wanted: () => boolean) =>
  new Promise<void>((resolve) => {
    const look = () => { if (wanted()) resolve() }
    session.subscribe(look)
    look()
  })
const status = (session: Session, wanted: string) => until(session, () => session.getState().status === wanted)

function fakeTime() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  return async (milliseconds: number) => {
    await vi.advanceTimersByTimeAsync(milliseconds)
    for (let i = 0; i < 20; i++) await turn() // what the server answers
  }
}

test('a session starts with one refresh, however often it is started', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  expect(session.getState().status).toBe('starting')
  await Promise.all([session.start(), session.start(), session.accessToken()])
  await session.start()
  expect(session.getState()).toEqual({ status: 'signed-in', sessionId: 'session-1', unreachable: false })
  expect(server.refreshes).toBe(1)
})

test('without a cookie nobody is signed in, and nobody asks again', async () => {
  const server = new FakeServer()
  server.cookie = undefined
  const session = tabOf(server)
  expect(await session.accessToken()).toBeUndefined()
  expect(await session.refresh(undefined)).toBe(false)
  expect(session.getState()).toEqual({ status: 'signed-out', unreachable: false })
  expect(server.refreshes).toBe(1)
})

test('ten who found the same token stale share a refresh, and one who comes later finds the new one', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  const stale = await session.accessToken()
  expect(await Promise.all(Array.from({ length: 10 }, () => session.refresh(stale)))).toEqual(Array(10).fill(true))
  expect(await session.refresh(stale)).toBe(true)
  expect(server.refreshes).toBe(2)
})

test('tabs refresh in turn, and whoever waited takes what the first one got', async () => {
  const server = new FakeServer()
  const { tab } = browser(server)
  const tabs = [tab(), tab(), tab()]
  await Promise.all(tabs.map((t) => t.start()))
  expect(server.refreshes).toBe(1)
  const tokens = await Promise.all(tabs.map((t) => t.accessToken()))
  expect(new Set(tokens).size).toBe(1)
})

test('a tab that was closed while it refreshed is waited for, but not long', async () => {
  const server = new FakeServer()
  const { tab } = browser(server)
  const [closed, other] = [tab(), tab()]
  const starting = closed.start()
  closed.close()
  server.instead.refresh = undefined
  await Promise.all([starting.catch(() => {}), other.start()])
  expect(other.getState().status).toBe('signed-in')
  expect(server.refreshes).toBe(2)
})

test('without Web Locks each tab refreshes for itself', async () => {
  const server = new FakeServer()
  const { tab } = browser(server, { withoutLocks: true })
  const tabs = [tab(), tab()]
  await Promise.all(tabs.map((t) => t.start()))
  expect(tabs.map((t) => t.getState().status)).toEqual(['signed-in', 'signed-in'])
})

test('signing in and out counts in all tabs', async () => {
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

test('somebody else who signs in is in the other tabs, too', async () => {
  const server = new FakeServer()
  const { tab } = browser(server)
  const [a, b] = [tab(), tab()]
  await Promise.all([a.start(), b.start()])
  a.accept(server.signIn('session-of-bob'))
  await until(b, () => b.getState().sessionId === 'session-of-bob')
})

test('the end of another session is not the end of this one', async () => {
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

test('who signs in while a refresh waits for its turn is not refreshed', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  const starting = session.start()
  session.accept(server.signIn('session-2'))
  await starting
  expect(session.getState().sessionId).toBe('session-2')
  expect(server.refreshes).toBe(0)
})

test('who signs in while a refresh is under way is not signed out by it', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  server.instead.refresh = () => {
    session.accept(server.signIn('session-2'))
    return invalid()
  }
  await session.start()
  expect(session.getState()).toEqual({ status: 'signed-in', sessionId: 'session-2', unreachable: false })
})

test('a tab that waited while nobody answered does not ask, too', async () => {
  const server = new FakeServer()
  server.instead.refresh = () => Promise.reject(new TypeError('Failed to fetch'))
  const { tab } = browser(server)
  const tabs = [tab(), tab()]
  await Promise.all(tabs.map((t) => t.start()))
  expect(tabs.map((t) => t.getState())).toEqual(Array(2).fill({ status: 'starting', unreachable: true }))
  expect(server.refreshes).toBe(1)
})

for (const [name, instead] of Object.entries({
  'no network': () => Promise.reject(new TypeError('Failed to fetch')),
  "a proxy's page": () => Promise.resolve(new Response('<h1>Bad gateway</h1>', { status: 502 })),
  'a proxy that says nothing': () => Promise.resolve(new Response('', { status: 500 })),
  RATE_LIMITED: () => Promise.resolve(Response.json({ data: null, errors: [{ extensions: { code: 'RATE_LIMITED', retryAfter: 30 } }] })),
  OVERLOADED: () => Promise.resolve(Response.json({ data: null, errors: [{ extensions: { code: 'OVERLOADED', retryAfter: 30 } }] })),
  UNAVAILABLE: () => Promise.resolve(Response.json({ data: null, errors: [{ extensions: { code: 'UNAVAILABLE', retryAfter: 30 } }] })),
  INTERNAL: () => Promise.resolve(Response.json({ errors: [{ extensions: { code: 'INTERNAL' } }] }, { status: 500 })),
})) {
  test(`${name} signs nobody out, and is tried again`, async () => {
    const pass = fakeTime()
    const server = new FakeServer()
    const session = tabOf(server)
    const stale = await session.accessToken()
    server.instead.refresh = instead
    expect(await session.refresh(stale)).toBe(false)
    expect(session.getState()).toEqual({ status: 'signed-in', sessionId: 'session-1', unreachable: true })
    server.instead.refresh = undefined
    await pass(30_000)
    expect(session.getState().unreachable).toBe(false)
    expect(server.refreshes).toBe(3)
  })
}

test('while nobody answers it is tried later and later, and the start is not over', async () => {
  const pass = fakeTime()
  const server = new FakeServer()
  server.instead.refresh = () => Promise.reject(new TypeError('Failed to fetch'))
  const session = tabOf(server)
  expect(await session.accessToken()).toBeUndefined()
  expect(session.getState()).toEqual({ status: 'starting', unreachable: true })
  for (let i = 0; i < 3600; i += 5) await pass(5000)
  expect(server.refreshes).toBeLessThan(70) // in an hour
  expect(server.refreshes).toBeGreaterThan(50)
  server.cookie = undefined
  server.instead.refresh = undefined
  await pass(60_000)
  expect(session.getState()).toEqual({ status: 'signed-out', unreachable: false })
})

test('a refused attempt waits as long as the server says', async () => {
  const pass = fakeTime()
  const server = new FakeServer()
  server.instead.refresh = () => Promise.resolve(Response.json({ data: null, errors: [{ extensions: { code: 'RATE_LIMITED', retryAfter: 30 } }] }))
  const session = tabOf(server)
  await session.start()
  await pass(29_000)
  expect(server.refreshes).toBe(1)
  await pass(1_000)
  expect(server.refreshes).toBe(2)
})

test('a token is renewed shortly before its end, whatever the time is here', async () => {
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

test('a token that ended while the machine slept is renewed before anything is asked', async () => {
  fakeTime()
  const server = new FakeServer()
  const session = tabOf(server)
  const stale = await session.accessToken()
  vi.setSystemTime(Date.now() + 3_600_000) // no timer goes off in a machine that sleeps
  expect(await session.accessToken()).not.toBe(stale)
  expect(server.refreshes).toBe(2)
})

test('a new token that the server does not want either signs out, an old one does not', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  const old = await session.accessToken()
  await session.refresh(old)
  session.judge(errors('revoked'), old)
  session.judge(errors('expired'), await session.accessToken())
  session.judge(undefined, await session.accessToken())
  expect(session.getState().status).toBe('signed-in')
  session.judge(errors('revoked'), await session.accessToken())
  expect(session.getState().status).toBe('signed-out')
})

test('who cannot reach the server is not signed out, and is told so', async () => {
  const server = new FakeServer()
  const session = tabOf(server)
  await session.start()
  server.instead.logout = () => Promise.reject(new TypeError('Failed to fetch'))
  expect(await session.signOut()).toBe(false)
  expect(session.getState().status).toBe('signed-in')
})

test('nothing is renewed after a sign-out', async () => {
  const pass = fakeTime()
  const server = new FakeServer()
  const session = tabOf(server)
  await session.start()
  await session.signOut()
  await pass(3_600_000)
  expect(server.refreshes).toBe(1)
})
