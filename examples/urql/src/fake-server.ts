// What the tests of the session talk to: as much of Fieldgate as a session sees, and as many browsers' locks as a test wants.

declare const setImmediate: (then: () => void) => void // Node's, where the tests run

/** A turn of the event loop, which fake timers leave alone. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

export const refusal = (code: string, more = {}) => ({ data: { me: null }, errors: [{ message: code, path: ['me'], extensions: { code, ...more } }] })

export class FakeServer {
  /** How long an access token says that it lives, in milliseconds. */
  life = 900_000
  /** The session of the cookie. */
  cookie: string | undefined = 'session-1'
  /** The access tokens that are good. What is asked with another one is UNAUTHENTICATED. */
  readonly good = new Set<string>()
  reason = 'expired'
  refreshes = 0
  /** The Authorization headers of everything else that was asked. */
  readonly asked: (string | null)[] = []
  /** What comes instead of an answer to refresh, logout, or all else. */
  instead: Partial<Record<'refresh' | 'logout' | 'rest', (() => Promise<Response>) | undefined>> = {}
  #made = 0

  /** An answer to login, or refresh. */
  signIn(session = 'session-1') {
    this.cookie = session
    const accessToken = `token-${++this.#made}`
    this.good.add(accessToken)
    const now = 1_700_000_000_000 // another time than the client's
    return { accessToken, expiresAt: new Date(now + this.life).toISOString(), session: { id: session, lastUsedAt: new Date(now).toISOString() } }
  }

  readonly fetch = async (_: unknown, init?: RequestInit): Promise<Response> => {
    const { query } = JSON.parse(String(init?.body)) as { query: string }
    const kind = query.includes('refresh') ? 'refresh' : query.includes('logout') ? 'logout' : 'rest'
    const authorization = new Headers(init?.headers).get('authorization')
    if (kind === 'refresh') this.refreshes++
    if (kind === 'rest') this.asked.push(authorization)
    await turn() // nothing is answered at once
    init?.signal?.throwIfAborted()
    return this.instead[kind]?.() ?? Response.json(this.#answer(kind, authorization))
  }

  #answer(kind: 'refresh' | 'logout' | 'rest', authorization: string | null) {
    if (kind === 'refresh') return this.cookie ? { data: { refresh: this.signIn(this.cookie) } } : { data: null, errors: refusal('INVALID_TOKEN').errors }
    if (kind === 'logout') {
      const was = this.cookie
      this.cookie = undefined
      return { data: { logout: was !== undefined } }
    }
    if (authorization && this.good.has(authorization.slice('Bearer '.length))) return { data: { me: { __typename: 'User', id: '1', name: 'Ada' } } }
    return refusal('UNAUTHENTICATED', { reason: authorization ? this.reason : 'missing' })
  }
}

/** Web Locks, as far as a session uses them. */
export class FakeLocks {
  #last: Promise<unknown> = Promise.resolve()
  #held = 0

  readonly request = (async (_: string, options: LockOptions, what: (lock: Lock | null) => Promise<unknown>) => {
    if (options.ifAvailable && this.#held > 0) return what(null)
    this.#held++
    const turn = this.#last.then(() => what({ name: '', mode: 'exclusive' })).finally(() => { this.#held-- })
    this.#last = turn.catch(() => {})
    return turn
  }) as LockManager['request']
}
