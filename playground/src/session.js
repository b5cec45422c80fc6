// Who is signed in, in this tab. The access token is in memory only; what survives a reload is the refresh token, in a
// cookie that no script can read.

import { getOperationAST, parse } from 'graphql'

const payload = '{ accessToken expiresAt user { id name email role } }'
const documents = {
  refresh: `mutation SilentRefresh { refresh ${payload} }`,
  login: `mutation SignIn($input: LoginInput!) { login(input: $input) ${payload} }`,
  register: `mutation SignUp($input: RegisterInput!) { register(input: $input) ${payload} }`,
  logout: 'mutation SignOut { logout }',
}

const early = 30_000 // milliseconds before a token expires at which the next one is fetched, or sooner if it is short-lived

/** A session of nobody, until refresh() has asked whether the browser still has one. */
export function createSession() {
  let state = { settled: false, user: null, token: null, asksToSignIn: false }
  let refreshing = null
  let timer
  const listeners = new Set()

  function become(next) {
    state = { ...state, ...next }
    for (const listener of listeners) listener()
  }

  function enter({ accessToken, expiresAt, user }) {
    become({ settled: true, user, token: accessToken, asksToSignIn: false })
    clearTimeout(timer)
    const left = Date.parse(expiresAt) - Date.now()
    // A clock that is far ahead sees every token as expired: then the API's word counts, not this.
    if (left > 0) timer = setTimeout(refresh, left - Math.min(early, left / 3))
  }

  function leave() {
    clearTimeout(timer)
    become({ settled: true, user: null, token: null })
  }

  /** Asks for a new access token, once for all who want one meanwhile. */
  function refresh() {
    refreshing ??= inTurn(async () => {
      const { data, errors } = await post({ query: documents.refresh })
      if (data?.refresh) enter(data.refresh)
      else if (hasCode(errors, 'INVALID_TOKEN')) leave()
    })
      .catch(() => {}) // the server cannot be reached: that says nothing about who is signed in
      .finally(() => {
        refreshing = null
        become({ settled: true })
      })
    return refreshing
  }

  /** Signs in by login or register. It throws an Error whose message is for people. */
  async function signIn(by, input) {
    const body = { query: documents[by], variables: { input: { ...input, delivery: 'COOKIE' } } }
    const { data, errors } = await inTurn(() => post(body))
    if (errors) throw new Error(errors.map(inWords).join(' '))
    enter(data[by])
  }

  async function signOut() {
    const { errors } = await inTurn(() => post({ query: documents.logout }, bearer(state.token)))
    if (errors) throw new Error(errors.map(inWords).join(' '))
    leave()
  }

  /**
   * Sends what the editor wants to send, as whoever is signed in unless it brings an Authorization header itself. If it
   * turns out that the token does not count any more, it is sent once more with a new one.
   */
  async function fetcher(asked, { headers } = {}) {
    await refreshing
    const { params, kind } = understood(asked)
    const own = Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization')
    const { token } = state
    let answer = await post(params, { ...(own ? {} : bearer(token)), ...headers })
    if (!own && token && hasCode(answer.errors, 'UNAUTHENTICATED') && (kind === 'query' || didNothing(answer))) {
      await refresh()
      if (state.token) answer = await post(params, { ...bearer(state.token), ...headers })
    }
    become({ asksToSignIn: !own && hasCode(answer.errors, 'UNAUTHENTICATED') })
    if (kind === 'mutation') await refresh() // whatever it did to the cookie, to the name or to the role
    return answer
  }

  return {
    refresh,
    signIn,
    signOut,
    fetcher,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    state: () => state,
  }
}

const bearer = (token) => (token ? { Authorization: `Bearer ${token}` } : {})

const hasCode = (errors, code) => Boolean(errors?.some((e) => e.extensions?.code === code))

const didNothing = ({ data }) => Object.values(data ?? {}).every((value) => value === null)

// What changes the cookie, which all tabs share, is done one after the other. Only pages of localhost and https have locks.
const inTurn = async (what) => (navigator.locks ? navigator.locks.request('fieldgate-refresh', what) : what())

async function post(body, headers) {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  return response.json()
}

// understood is what the editor asks, and whether that is a query or a mutation. Who is quick can run a text while the
// editor still has the name of an operation that is gone from it; then that name is left out.
function understood({ operationName, ...params }) {
  try {
    const document = parse(params.query)
    const named = getOperationAST(document, operationName)
    const operation = named ?? getOperationAST(document)
    return { params: named ? { ...params, operationName } : params, kind: operation?.operation }
  } catch {
    return { params } // no GraphQL, as the server will say too
  }
}

function inWords({ message, extensions: { code, fields, retryAfter } = {} }) {
  switch (code) {
    case 'BAD_USER_INPUT':
      return fields.map((f) => `${f.name} ${f.message}.`).join(' ')
    case 'RATE_LIMITED':
      return `Too many attempts. Try again ${after(retryAfter)}.`
    case 'OVERLOADED':
    case 'UNAVAILABLE':
      return `The server is busy. Try again ${after(retryAfter)}.`
    default:
      return `${message[0].toUpperCase()}${message.slice(1)}.`
  }
}

function after(seconds) {
  if (!(seconds > 0)) return 'later'
  const [n, unit] = seconds < 60 ? [Math.ceil(seconds), 'second'] : [Math.ceil(seconds / 60), 'minute']
  return `in ${n} ${unit}${n === 1 ? '' : 's'}`
}
