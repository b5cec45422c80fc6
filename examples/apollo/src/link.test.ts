import { ApolloClient, from, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { afterEach, expect, test } from 'vitest'
import { FakeServer, refusal } from './fake-server'
import { Session, sessionLink } from './session'

const open: Session[] = []
afterEach(() => { for (const session of open.splice(0)) session.close() })

const me = gql`{ me { id name } }`
const rename = gql`mutation { updateProfile(input: { name: "Ada" }) { id } }`

function app() {
  const server = new FakeServer()
  const session = new Session({ fetch: server.fetch, name: `link-${Math.random()}` })
  open.push(session)
  const client = new ApolloClient({
    link: from([sessionLink(session), new HttpLink({ uri: 'http://localhost/graphql', fetch: server.fetch })]),
    cache: new InMemoryCache(),
    queryDeduplication: false,
    defaultOptions: { watchQuery: { errorPolicy: 'all' }, query: { errorPolicy: 'all' }, mutate: { errorPolicy: 'all' } }, // as in client.ts
  })
  return { server, session, client, ask: () => client.query({ query: me, fetchPolicy: 'no-cache' }) }
}

const name = (answer: { data?: unknown }) => (answer.data as { me?: { name?: string } | null } | undefined)?.me?.name

test('a request waits for the start and takes the token', async () => {
  const { server, ask } = app()
  expect(name(await ask())).toBe('Ada')
  expect(server.asked).toEqual(['Bearer token-1'])
})

test('who is signed out asks without a token, once, and gets the answer', async () => {
  const { server, ask } = app()
  server.cookie = undefined
  const { data, error } = await ask()
  expect(data).toEqual({ me: null })
  expect(error).toBeDefined()
  expect(server.asked).toEqual([null])
  expect(server.refreshes).toBe(1)
})

for (const reason of ['expired', 'missing', 'invalid', 'revoked']) {
  test(`ten requests at once that are UNAUTHENTICATED, ${reason}, refresh once and are asked once more`, async () => {
    const { server, ask } = app()
    await ask()
    server.good.clear()
    server.reason = reason
    const answers = await Promise.all(Array.from({ length: 10 }, ask))
    expect(answers.map(name)).toEqual(Array(10).fill('Ada'))
    expect(server.refreshes).toBe(2)
    expect(server.asked).toHaveLength(21)
  })
}

test('a session that has ended signs out, and the answer is what came first', async () => {
  const { server, session, ask } = app()
  await ask()
  server.good.clear()
  server.reason = 'revoked'
  server.cookie = undefined
  expect((await ask()).error).toBeDefined()
  expect(session.getState().status).toBe('signed-out')
  expect(server.asked).toHaveLength(2)
})

for (const [reason, status] of [['expired', 'signed-in'], ['missing', 'signed-in'], ['invalid', 'signed-out'], ['revoked', 'signed-out']]) {
  test(`a server that wants no token at all, ${reason}, is asked twice: ${status}`, async () => {
    const { server, session, ask } = app()
    server.instead.rest = () => Promise.resolve(Response.json(refusal('UNAUTHENTICATED', { reason })))
    expect((await ask()).error).toBeDefined()
    expect(server.asked).toHaveLength(2)
    expect(server.refreshes).toBe(2)
    expect(session.getState().status).toBe(status)
  })
}

for (const code of ['FORBIDDEN', 'RATE_LIMITED', 'OVERLOADED', 'UNAVAILABLE', 'INTERNAL', 'NOT_FOUND']) {
  test(`${code} is an answer like any other`, async () => {
    const { server, session, ask } = app()
    server.instead.rest = () => Promise.resolve(Response.json(refusal(code, { retryAfter: 1 })))
    expect((await ask()).error).toBeDefined()
    expect(server.asked).toHaveLength(1)
    expect(server.refreshes).toBe(1)
    expect(session.getState().status).toBe('signed-in')
  })
}

test('a partial answer comes whole', async () => {
  const { server, ask } = app()
  server.instead.rest = () => Promise.resolve(Response.json({ ...refusal('FORBIDDEN'), data: { me: { __typename: 'User', id: '1', name: 'Ada', email: null } } }))
  const answer = await ask()
  expect(name(answer)).toBe('Ada')
  expect(answer.error).toBeDefined()
})

test('no network signs nobody out', async () => {
  const { server, session, ask } = app()
  await ask()
  server.good.clear()
  server.instead.refresh = () => Promise.reject(new TypeError('Failed to fetch'))
  expect((await ask()).error).toBeDefined()
  server.instead.rest = () => Promise.reject(new TypeError('Failed to fetch'))
  expect((await ask()).error).toBeDefined()
  expect(session.getState().status).toBe('signed-in')
})

for (const [what, data, times] of [['nothing', { updateProfile: null }, 2], ['something', { other: true, updateProfile: null }, 1]] as const) {
  test(`a mutation of which ${what} was done is sent ${times === 2 ? 'twice' : 'once'}`, async () => {
    const { server, client } = app()
    server.instead.rest = () => Promise.resolve(Response.json({ data, errors: refusal('UNAUTHENTICATED', { reason: 'expired' }).errors }))
    await client.mutate({ mutation: rename })
    expect(server.asked).toHaveLength(times)
  })
}

test('what is cancelled while it waits for a token is not sent', async () => {
  const { server, session, client } = app()
  client.watchQuery({ query: me }).subscribe({}).unsubscribe()
  await session.start()
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(server.asked).toEqual([])
})

test('what is cancelled while a refresh is under way is not sent again', async () => {
  const { server, session, client } = app()
  await session.start()
  server.good.clear()
  let reached = () => {}
  const refreshing = new Promise<void>((resolve) => { reached = resolve })
  server.instead.refresh = () => {
    reached()
    return new Promise((resolve) => setTimeout(() => resolve(Response.json({ data: { refresh: server.signIn() } })), 20))
  }
  const subscription = client.watchQuery({ query: me }).subscribe({})
  await refreshing
  subscription.unsubscribe()
  await session.refresh('token-1')
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(server.asked).toHaveLength(1)
})
