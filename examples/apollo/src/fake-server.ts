// A fake Fieldgate server and fake Web Locks for the tests of the session.

declare const setImmediate: (then: () => void) => void // Node's, where the tests run

/** Waits for the next turn of the event loop, which fake timers do not affect. */
export const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

export const errorResponse = (code: string, more = {}) => ({ data: { me: null }, errors: [{ message: code, path: ['me'], extensions: { code, ...more } }] })

type Kind = 'refresh' | 'logout' | 'confirmIdentity' | 'rest'

export class FakeServer {
  /** The lifetime of an access token, in milliseconds. */
  tokenLifetime = 900_000
  /** The session id in the browser's cookie. */
  cookie: string | undefined = 'session-1'
  /** The accepted access tokens. A request with any other is UNAUTHENTICATED. */
  readonly validTokens = new Set<string>()
  reason = 'expired'
  refreshes = 0
  /** The methods of STEP_UP_REQUIRED, the answer to other requests until confirmIdentity is called with the password "right". */
  stepUp: string[] | undefined
  confirmations = 0
  /** The Authorization headers of all requests but refresh, logout and confirmIdentity. */
  readonly authorizations: (string | null)[] = []
  /** Replaces the response to refresh, logout or any other request. */
  overrides: Partial<Record<Kind, (() => Promise<Response>) | undefined>> = {}
  #tokenCount = 0

  /** Returns the result of login or refresh. */
  signIn(session = 'session-1') {
    this.cookie = session
    const accessToken = `token-${++this.#tokenCount}`
    this.validTokens.add(accessToken)
    const now = 1_700_000_000_000 // differs from the client's clock
    return { accessToken, expiresAt: new Date(now + this.tokenLifetime).toISOString(), session: { id: session, lastUsedAt: new Date(now).toISOString() } }
  }

  readonly fetch = async (_: unknown, init?: RequestInit): Promise<Response> => {
    const { query, variables } = JSON.parse(String(init?.body)) as { query: string; variables?: { input?: { proof?: string } } }
    const kind = (['refresh', 'logout', 'confirmIdentity'] as const).find((name) => query.includes(name)) ?? 'rest'
    const authorization = new Headers(init?.headers).get('authorization')
    if (kind === 'refresh') this.refreshes++
    if (kind === 'confirmIdentity') this.confirmations++
    if (kind === 'rest') this.authorizations.push(authorization)
    await nextTurn() // no response is synchronous
    init?.signal?.throwIfAborted()
    return this.overrides[kind]?.() ?? Response.json(this.#answer(kind, authorization, variables?.input?.proof))
  }

  #answer(kind: Kind, authorization: string | null, proof: string | undefined) {
    if (kind === 'refresh') return this.cookie ? { data: { refresh: this.signIn(this.cookie) } } : { data: null, errors: errorResponse('INVALID_TOKEN').errors }
    if (kind === 'logout') {
      const wasSignedIn = this.cookie !== undefined
      this.cookie = undefined
      return { data: { logout: wasSignedIn } }
    }
    if (authorization && this.validTokens.has(authorization.slice('Bearer '.length))) {
      if (kind === 'confirmIdentity') {
        if (proof !== 'right') return { data: { confirmIdentity: null }, errors: errorResponse('INVALID_CREDENTIALS').errors }
        this.stepUp = undefined
        return { data: { confirmIdentity: this.signIn(this.cookie) } }
      }
      if (this.stepUp) return errorResponse('STEP_UP_REQUIRED', { methods: this.stepUp, maxAge: 600, mfa: 'IF_ENROLLED' })
      return { data: { me: { __typename: 'User', id: '1', name: 'Ada' } } }
    }
    return errorResponse('UNAUTHENTICATED', { reason: authorization ? this.reason : 'missing' })
  }
}

/** The part of Web Locks that a session uses. */
export class FakeLocks {
  #last: Promise<unknown> = Promise.resolve()
  #held = 0

  readonly request = (async (_: string, options: LockOptions, action: (lock: Lock | null) => Promise<unknown>) => {
    if (options.ifAvailable && this.#held > 0) return action(null)
    this.#held++
    const result = this.#last.then(() => action({ name: '', mode: 'exclusive' })).finally(() => { this.#held-- })
    this.#last = result.catch(() => {})
    return result
  }) as LockManager['request']
}
