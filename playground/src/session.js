// The session of this tab. The access token is in memory only. The refresh token survives a
// reload, in a cookie that no script can read.

import { getOperationAST, parse } from 'graphql'

const payload = '{ accessToken expiresAt user { id name email role } }'
const documents = {
  refresh: `mutation SilentRefresh { refresh ${payload} }`,
  login: `mutation SignIn($input: LoginInput!) { login(input: $input) ${payload} }`,
  register: `mutation SignUp($input: RegisterInput!) { register(input: $input) ${payload} }`,
  logout: 'mutation SignOut { logout }',
  completeSignIn: `mutation CompleteSignIn($input: SecondFactorInput!) { completeSignIn(input: $input) ${payload} }`,
  confirmIdentity: `mutation ConfirmIdentity($input: ConfirmInput!) { confirmIdentity(input: $input) ${payload} }`,
}

const early = 30_000 // milliseconds before expiry at which the token is refreshed; less for short-lived tokens

/** The factors that the page has a form for. A newer server may have more. */
const knownFactors = ['PASSWORD', 'TOTP', 'RECOVERY_CODE']

/** Creates a session that is signed out until refresh() has checked for a refresh cookie. */
export function createSession() {
  let state = { settled: false, user: null, token: null, asksToSignIn: false, asksToEnrol: false, question: null }
  let refreshing = null
  let confirming = null
  let answer = () => {} // closes the open question
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
    if (state.question?.field === 'confirmIdentity') answer(false)
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

  /**
   * Asks the user for a factor: field is the mutation that takes it. Resolves to whether the user gave it, after prove() or
   * cancel().
   */
  function ask(field, methods) {
    answer(false)
    return new Promise((resolve) => {
      answer = (given) => {
        answer = () => {}
        become({ question: null })
        resolve(given)
      }
      become({ question: { field, methods } })
    })
  }

  /** Sends the user's answer to the question. It throws an Error with a message for the user. */
  async function prove(factor, proof) {
    const { field } = state.question
    const signsIn = field === 'completeSignIn'
    const body = { query: documents[field], variables: { input: signsIn ? { factor, code: proof } : { factor, proof } } }
    const send = () => oneAtATime(() => post(body, signsIn ? {} : bearer(state.token)))
    let { data, errors } = await send()
    if (!signsIn && hasCode(errors, 'UNAUTHENTICATED')) {
      await refresh()
      if (state.token) ({ data, errors } = await send())
    }
    if (signsIn && hasCode(errors, 'INVALID_TOKEN')) {
      answer(false)
      throw new Error('This took too long, or too many codes were wrong. Sign in again.')
    }
    if (errors) throw new Error(errors.map(describeError).join(' '))
    enter(data[field])
    answer(true)
  }

  /**
   * Signs in with login or register. If the account has a second factor, it asks for it. It throws an Error with a message for the
   * user.
   */
  async function signIn(by, input) {
    answer(false)
    const body = { query: documents[by], variables: { input: { ...input, delivery: 'COOKIE' } } }
    const { data, errors } = await oneAtATime(() => post(body))
    const methods = methodsOf(errors, 'SECOND_FACTOR_REQUIRED')
    if (methods.length > 0) return void ask('completeSignIn', methods)
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
   * token, it refreshes the token and sends the request once more. It does the same after the user confirmed their identity, if the
   * server asks for that.
   */
  async function fetcher(request, { headers } = {}) {
    await refreshing
    const { params, kind } = parseRequest(request)
    const own = Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization')
    const { token } = state
    let result = await post(params, { ...(own ? {} : bearer(token)), ...headers })
    const sendAgain = async () => {
      if (state.token) result = await post(params, { ...bearer(state.token), ...headers })
    }
    const isRepeatable = () => kind === 'query' || didNothing(result)
    if (!own && token && hasCode(result.errors, 'UNAUTHENTICATED') && isRepeatable()) {
      await refresh()
      await sendAgain()
    }
    const methods = methodsOf(result.errors, 'STEP_UP_REQUIRED')
    if (!own && methods.length > 0 && isRepeatable()) {
      confirming ??= ask('confirmIdentity', methods).finally(() => { confirming = null })
      if (await confirming) await sendAgain()
    }
    become({
      asksToSignIn: !own && hasCode(result.errors, 'UNAUTHENTICATED'),
      asksToEnrol: hasCode(result.errors, 'STEP_UP_REQUIRED') && methodsOf(result.errors, 'STEP_UP_REQUIRED').length === 0,
    })
    if (kind === 'mutation') await refresh() // the mutation may have changed the cookie, the name or the role
    return result
  }

  return {
    refresh,
    signIn,
    signOut,
    prove,
    cancel: () => answer(false),
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

/** Returns the known methods of the error with a code. */
function methodsOf(errors, code) {
  const methods = errors?.find((e) => e.extensions?.code === code)?.extensions.methods ?? []
  return methods.filter((method) => knownFactors.includes(method))
}

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
