// The session of this tab. The access token is in memory only. The refresh token survives a
// reload, in a cookie that no script can read.

import { getOperationAST, parse } from 'graphql'

const payload = '{ accessToken expiresAt user { id name email role } }'
const documents = {
  refresh: `mutation SilentRefresh { refresh ${payload} }`,
  login: `mutation SignIn($input: LoginInput!) { login(input: $input) ${payload} }`,
  register: `mutation SignUp($input: RegisterInput!) { register(input: $input) ${payload} }`,
  logout: 'mutation SignOut { logout }',
}

const early = 30_000 // milliseconds before expiry at which the token is refreshed; less for short-lived tokens

/** Creates a session that is signed out until refresh() has checked for a refresh cookie. */
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
    // A clock that is far ahead treats every token as expired. Then the API decides, not this
    // timer.
    if (left > 0) timer = setTimeout(refresh, left - Math.min(early, left / 3))
  }

  function leave() {
    clearTimeout(timer)
    become({ settled: true, user: null, token: null })
  }

  /** Requests a new access token. Concurrent calls share one request. */
  function refresh() {
    refreshing ??= oneAtATime(async () => {
      const { data, errors } = await post({ query: documents.refresh })
      if (data?.refresh) enter(data.refresh)
      else if (hasCode(errors, 'INVALID_TOKEN')) leave()
    })
      .catch(() => {}) // a server that is unreachable does not end the session
      .finally(() => {
        refreshing = null
        become({ settled: true })
      })
    return refreshing
  }

  /** Signs in with login or register. It throws an Error with a message for the user. */
  async function signIn(by, input) {
    const body = { query: documents[by], variables: { input: { ...input, delivery: 'COOKIE' } } }
    const { data, errors } = await oneAtATime(() => post(body))
    if (errors) throw new Error(errors.map(describeError).join(' '))
    enter(data[by])
  }

  async function signOut() {
    const { errors } = await oneAtATime(() => post({ query: documents.logout }, bearer(state.token)))
    if (errors) throw new Error(errors.map(describeError).join(' '))
    leave()
  }

  /**
   * Sends the editor's request with the access token, unless the editor sets its own Authorization header. If the server rejects the
   * token, it refreshes the token and sends the request once more.
   */
  async function fetcher(request, { headers } = {}) {
    await refreshing
    const { params, kind } = parseRequest(request)
    const own = Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization')
    const { token } = state
    let answer = await post(params, { ...(own ? {} : bearer(token)), ...headers })
    if (!own && token && hasCode(answer.errors, 'UNAUTHENTICATED') && (kind === 'query' || didNothing(answer))) {
      await refresh()
      if (state.token) answer = await post(params, { ...bearer(state.token), ...headers })
    }
    become({ asksToSignIn: !own && hasCode(answer.errors, 'UNAUTHENTICATED') })
    if (kind === 'mutation') await refresh() // the mutation may have changed the cookie, the name or the role
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

// Requests that change the cookie run one at a time, because all tabs share it. Only pages of
// localhost and https have locks.
const oneAtATime = async (action) => (navigator.locks ? navigator.locks.request('fieldgate-refresh', action) : action())

async function post(body, headers) {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  return response.json()
}

// Returns the editor's request, and whether it is a query or a mutation. While the user types, the
// editor can still have the name of an operation that the text no longer contains. Then the name
// is dropped.
function parseRequest({ operationName, ...params }) {
  try {
    const document = parse(params.query)
    const named = getOperationAST(document, operationName)
    const operation = named ?? getOperationAST(document)
    return { params: named ? { ...params, operationName } : params, kind: operation?.operation }
  } catch {
    return { params } // invalid GraphQL, which the server reports
  }
}

function describeError({ message, extensions: { code, fields, retryAfter } = {} }) {
  switch (code) {
    case 'BAD_USER_INPUT':
      return fields.map((f) => `${f.name} ${f.message}.`).join(' ')
    case 'RATE_LIMITED':
      return `Too many attempts. Try again ${retryTime(retryAfter)}.`
    case 'OVERLOADED':
    case 'UNAVAILABLE':
      return `The server is busy. Try again ${retryTime(retryAfter)}.`
    default:
      return `${message[0].toUpperCase()}${message.slice(1)}.`
  }
}

function retryTime(seconds) {
  if (!(seconds > 0)) return 'later'
  const [n, unit] = seconds < 60 ? [Math.ceil(seconds), 'second'] : [Math.ceil(seconds / 60), 'minute']
  return `in ${n} ${unit}${n === 1 ? '' : 's'}`
}
