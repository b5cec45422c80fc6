import { cacheExchange, Client, fetchExchange, gql } from '@urql/core'
import { afterEach, expect, test } from 'vitest'
import { pipe, subscribe } from 'wonka'
import { FakeServer, errorResponse } from './fake-server'
import { Session, type SessionOptions, sessionExchange } from './session'

const open: Session[] = []
afterEach(() => { for (const session of open.splice(0)) session.close() })

const me = gql`query($number: Int) { me { id name } }`
const rename = gql`mutation { updateProfile(input: { name: "Ada" }) { id } }`

function app(onStepUp?: SessionOptions['onStepUp']) {
  const server = new FakeServer()
  const session = new Session({ fetch: server.fetch, name: `exchange-${Math.random()}`, ...(onStepUp && { onStepUp }) })
  open.push(session)
  const client = new Client({
    url: 'http://localhost/graphql',
    exchanges: [cacheExchange, sessionExchange(session), fetchExchange],
    preferGetMethod: false,
    requestPolicy: 'network-only',
    fetch: server.fetch,
  })
  return { server, session, client, ask: (number = 0) => client.query(me, { number }).toPromise() } // urql merges concurrent identical queries
}

const name = (answer: { data?: unknown }) => (answer.data as { me?: { name?: string } | null } | undefined)?.me?.name

test('a request waits for the first refresh and sends the token', async () => {
  const { server, ask } = app()
  expect(name(await ask())).toBe('Ada')
  expect(server.authorizations).toEqual(['Bearer token-1'])
})

test('a signed-out user sends one request without a token and gets its response', async () => {
  const { server, ask } = app()
  server.cookie = undefined
  const { data, error } = await ask()
  expect(data).toEqual({ me: null })
  expect(error).toBeDefined()
  expect(server.authorizations).toEqual([null])
  expect(server.refreshes).toBe(1)
})

for (const reason of ['expired', 'missing', 'invalid', 'revoked']) {
  test(`ten concurrent UNAUTHENTICATED requests, ${reason}, share one refresh and are repeated once`, async () => {
    const { server, ask } = app()
    await ask()
    server.validTokens.clear()
    server.reason = reason
    const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => ask(i)))
    expect(answers.map(name)).toEqual(Array(10).fill('Ada'))
    expect(server.refreshes).toBe(2)
    expect(server.authorizations).toHaveLength(21)
  })
}

test('an ended session signs out and returns the first response', async () => {
  const { server, session, ask } = app()
  await ask()
  server.validTokens.clear()
  server.reason = 'revoked'
  server.cookie = undefined
  expect((await ask()).error).toBeDefined()
  expect(session.getState().status).toBe('signed-out')
  expect(server.authorizations).toHaveLength(2)
})

for (const [reason, status] of [['expired', 'signed-in'], ['missing', 'signed-in'], ['invalid', 'signed-out'], ['revoked', 'signed-out']]) {
  test(`a server that rejects every token, ${reason}, gets the request twice: ${status}`, async () => {
    const { server, session, ask } = app()
    server.overrides.rest = () => Promise.resolve(Response.json(errorResponse('UNAUTHENTICATED', { reason })))
    expect((await ask()).error).toBeDefined()
    expect(server.authorizations).toHaveLength(2)
    expect(server.refreshes).toBe(2)
    expect(session.getState().status).toBe(status)
  })
}

for (const code of ['FORBIDDEN', 'RATE_LIMITED', 'OVERLOADED', 'UNAVAILABLE', 'INTERNAL', 'NOT_FOUND', 'SECOND_FACTOR_REQUIRED', 'STEP_UP_REQUIRED']) {
  test(`${code} is returned without a refresh`, async () => {
    const { server, session, ask } = app()
    server.overrides.rest = () => Promise.resolve(Response.json(errorResponse(code, { retryAfter: 1 })))
    expect((await ask()).error).toBeDefined()
    expect(server.authorizations).toHaveLength(1)
    expect(server.refreshes).toBe(1)
    expect(session.getState().status).toBe('signed-in')
  })
}

test('a partial response keeps its data and errors', async () => {
  const { server, ask } = app()
  server.overrides.rest = () => Promise.resolve(Response.json({ ...errorResponse('FORBIDDEN'), data: { me: { __typename: 'User', id: '1', name: 'Ada', email: null } } }))
  const answer = await ask()
  expect(name(answer)).toBe('Ada')
  expect(answer.error).toBeDefined()
})

test('a network error does not sign out', async () => {
  const { server, session, ask } = app()
  await ask()
  server.validTokens.clear()
  server.overrides.refresh = () => Promise.reject(new TypeError('Failed to fetch'))
  expect((await ask()).error).toBeDefined()
  server.overrides.rest = () => Promise.reject(new TypeError('Failed to fetch'))
  expect((await ask()).error).toBeDefined()
  expect(session.getState().status).toBe('signed-in')
})

for (const [applied, data, times] of [['nothing', { updateProfile: null }, 2], ['something', { other: true, updateProfile: null }, 1]] as const) {
  test(`a mutation that applied ${applied} is sent ${times === 2 ? 'twice' : 'once'}`, async () => {
    const { server, client } = app()
    server.overrides.rest = () => Promise.resolve(Response.json({ data, errors: errorResponse('UNAUTHENTICATED', { reason: 'expired' }).errors }))
    await client.mutation(rename, {}).toPromise()
    expect(server.authorizations).toHaveLength(times)
  })
}

test('an operation cancelled while it waits for a token is not sent', async () => {
  const { server, session, client } = app()
  pipe(client.query(me, {}), subscribe(() => {})).unsubscribe()
  await session.start()
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(server.authorizations).toEqual([])
})

test('an operation cancelled during a refresh is not repeated', async () => {
  const { server, session, client } = app()
  await session.start()
  server.validTokens.clear()
  let reached = () => {}
  const refreshing = new Promise<void>((resolve) => { reached = resolve })
  server.overrides.refresh = () => {
    reached()
    return new Promise((resolve) => setTimeout(() => resolve(Response.json({ data: { refresh: server.signIn() } })), 20))
  }
  const subscription = pipe(client.query(me, {}), subscribe(() => {}))
  await refreshing
  subscription.unsubscribe()
  await session.refresh('token-1')
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(server.authorizations).toHaveLength(1)
})

test('STEP_UP_REQUIRED asks the user and repeats the request once, without a refresh', async () => {
  const asked: unknown[] = []
  const { server, session, ask } = app(async (required) => {
    asked.push(required)
    return (await session.confirmIdentity('PASSWORD', 'right')) === undefined
  })
  server.stepUp = ['PASSWORD']
  expect(name(await ask())).toBe('Ada')
  expect(asked).toEqual([{ methods: ['PASSWORD'] }])
  expect(server.authorizations).toEqual(['Bearer token-1', 'Bearer token-2'])
  expect(server.refreshes).toBe(1)
})

test('ten concurrent STEP_UP_REQUIRED requests open one dialog and are repeated once', async () => {
  let dialogs = 0
  const { server, session, ask } = app(async () => {
    dialogs++
    await new Promise((resolve) => setTimeout(resolve, 50)) // the user types
    return (await session.confirmIdentity('PASSWORD', 'right')) === undefined
  })
  await ask()
  server.stepUp = ['PASSWORD']
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => ask(i)))
  expect(answers.map(name)).toEqual(Array(10).fill('Ada'))
  expect(dialogs).toBe(1)
  expect(server.authorizations).toHaveLength(21)
})

test('a cancelled dialog returns the error, and the request is sent once', async () => {
  const { server, session, ask } = app(() => Promise.resolve(false))
  server.stepUp = ['PASSWORD']
  expect((await ask()).error).toBeDefined()
  expect(server.authorizations).toHaveLength(1)
  expect(session.getState().status).toBe('signed-in')
})

test('a server that asks again after the confirmation does not open a second dialog', async () => {
  let dialogs = 0
  const { server, ask } = app(() => { dialogs++; return Promise.resolve(true) })
  server.stepUp = ['TOTP']
  expect((await ask()).error).toBeDefined()
  expect([dialogs, server.authorizations.length]).toEqual([1, 2])
})

test('an expired token and then STEP_UP_REQUIRED: one refresh, one dialog', async () => {
  const { server, session, ask } = app(async () => (await session.confirmIdentity('PASSWORD', 'right')) === undefined)
  await session.start()
  server.validTokens.clear()
  server.stepUp = ['PASSWORD']
  expect(name(await ask())).toBe('Ada')
  expect([server.refreshes, server.confirmations, server.authorizations.length]).toEqual([2, 1, 3])
})

for (const [applied, data, times] of [['nothing', { updateProfile: null }, 2], ['something', { other: true, updateProfile: null }, 1]] as const) {
  test(`a mutation that applied ${applied} and is STEP_UP_REQUIRED is sent ${times === 2 ? 'twice' : 'once'}`, async () => {
    const { server, client } = app(() => Promise.resolve(true))
    server.overrides.rest = () => Promise.resolve(Response.json({ data, errors: errorResponse('STEP_UP_REQUIRED', { methods: ['PASSWORD'] }).errors }))
    await client.mutation(rename, {}).toPromise()
    expect(server.authorizations).toHaveLength(times)
  })
}
