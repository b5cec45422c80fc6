// The session of a user of Fieldgate, for urql. Copy this file into your app: it needs @urql/core 6, which urql includes, and
// wonka.
//
//   const session = new Session()
//   const client = new Client({ url: '/graphql', exchanges: [cacheExchange, sessionExchange(session), fetchExchange], preferGetMethod: false })
//
//   session.accept(data.login)              after login or register; select the fields of SignedIn
//   session.signOut()                       instead of the mutation logout
//   session.subscribe, session.getState     for useSyncExternalStore
//
// The access token is in memory only, so that no other page can read it. The refresh token is in a cookie that no script can
// read (delivery COOKIE, the default). Opening the page therefore sends one refresh.
//
// - A visible page renews the access token before it expires. A background tab renews it when it sends a request or becomes
//   visible, so that a forgotten tab does not keep a session alive.
// - Requests that find the token expired share one refresh, in all tabs. Tabs refresh in turn (Web Locks) and broadcast the
//   result (BroadcastChannel). Without Web Locks, as on plain http other than localhost, tabs may refresh at the same time:
//   the server allows it for 10 seconds.
// - After UNAUTHENTICATED, with any reason, the session refreshes and repeats the request once. A second error is returned.
//   A mutation is repeated only if no part of it was applied.
// - Only the server ends a session: with INVALID_TOKEN for a refresh, or with `revoked` or `invalid` for a new token. After a
//   network error, RATE_LIMITED, OVERLOADED, UNAVAILABLE or a proxy's error page, the user stays signed in. The session retries
//   with increasing delays.
// - After STEP_UP_REQUIRED, the session calls onStepUp, in which the app asks the user for a password or a code and calls
//   confirmIdentity. Then it repeats the request once; a mutation only if no part of it was applied. Requests that get the same
//   error meanwhile wait for the same dialog.
// - SECOND_FACTOR_REQUIRED is returned: the sign-in page asks for the code and calls completeSignIn. So is FORBIDDEN.
// - A sign-in or sign-out applies to all tabs. Another sessionId in the state means another sign-in, perhaps of another user:
//   data loaded before must not be shown. The simplest way is a new client for each sessionId.

import { makeOperation, type Exchange, type Operation, type OperationContext } from '@urql/core'
import { empty, filter, fromPromise, fromValue, makeSubject, map, merge, mergeMap, pipe, share, takeUntil } from 'wonka'

// ==== The session. It is the same in examples/apollo and examples/urql, and a test compares them. ====

/** The fields to select of `login`, `register` and `completeSignIn`: accessToken expiresAt session { id lastUsedAt } */
export interface SignedIn {
  readonly accessToken: string
  readonly expiresAt: string
  readonly session: { readonly id: string; readonly lastUsedAt: string }
}

export interface SessionState {
  /** `starting` until the server answers the first refresh. */
  readonly status: 'starting' | 'signed-in' | 'signed-out'
  /** The id of the session while `status` is `signed-in`. */
  readonly sessionId?: string
  /** Whether the last refresh failed without a decision of the server. The session retries it. */
  readonly unreachable: boolean
}

/** What a field requires that answered STEP_UP_REQUIRED. */
export interface StepUp {
  /** The factors that the user can prove. Empty if the user must enrol a second factor first. */
  readonly methods: readonly string[]
}

export interface SessionOptions {
  /**
   * Asks the user to confirm their identity, with confirmIdentity. Resolves to whether the user did. The session calls it again
   * only after it has resolved. Without it, STEP_UP_REQUIRED is returned like any other error.
   */
  readonly onStepUp?: (required: StepUp) => Promise<boolean>
  /** The URL of the API. The default is `/graphql` at the page's origin. */
  readonly url?: string
  /** `include` if the API is at another origin, so that it gets the cookie. Set the same in HttpLink or the urql client. */
  readonly credentials?: RequestCredentials
  /** A prefix for the lock and the channel. Set it if two apps at one origin use two APIs. */
  readonly name?: string
  /** For tests. */
  readonly fetch?: typeof fetch
  /** For tests. */
  readonly locks?: Pick<LockManager, 'request'>
}

interface Token {
  readonly accessToken: string
  readonly sessionId: string
  /** By the clock of this machine, in milliseconds; so is renewAt. */
  readonly expiresAt: number
  readonly renewAt: number
}

/** A message to the other tabs: a new token, the end of a session, or an unreachable server with its retryAfter in seconds. */
type TabMessage = { readonly token: Token } | { readonly ended: string | undefined } | { readonly unreachable: number }

interface GraphQLAnswer {
  readonly data?: Record<string, unknown> | null
  readonly errors?: Errors
}

const refreshDocument = 'mutation { refresh { accessToken expiresAt session { id lastUsedAt } } }'
const logoutDocument = 'mutation { logout }'
const confirmDocument =
  'mutation ($input: ConfirmInput!) { confirmIdentity(input: $input) { accessToken expiresAt session { id lastUsedAt } } }'

// In milliseconds.
const renewEarly = 30_000 // time before expiry at which a token is renewed; at most a fifth of its lifetime
const requestTimeout = 15_000 // other tabs wait for the response too
const messageDelay = 1_000 // longer than a message to another tab takes
const minRetryDelay = 1_000
const maxRetryDelay = 60_000

export class Session {
  readonly #url: string
  readonly #credentials: RequestCredentials
  readonly #fetch: typeof fetch
  readonly #locks: Pick<LockManager, 'request'> | undefined
  readonly #lockName: string
  readonly #channel: BroadcastChannel
  readonly #onStepUp: SessionOptions['onStepUp']
  readonly #listeners = new Set<() => void>()
  #state: SessionState = { status: 'starting', unreachable: false }
  #token: Token | undefined
  #started: Promise<unknown> | undefined
  #refreshing: Promise<void> | undefined
  #steppingUp: Promise<boolean> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #messageCount = 0 // messages received from other tabs
  #onMessage = () => {}

  constructor(options: SessionOptions = {}) {
    this.#url = options.url ?? '/graphql'
    this.#credentials = options.credentials ?? 'same-origin'
    this.#fetch = options.fetch ?? ((...args) => fetch(...args))
    this.#locks = options.locks ?? globalThis.navigator?.locks
    this.#onStepUp = options.onStepUp
    this.#lockName = `${options.name ?? 'fieldgate'}-session`
    this.#channel = new BroadcastChannel(this.#lockName)
    this.#channel.onmessage = ({ data }: MessageEvent<TabMessage>) => this.#receive(data)
    globalThis.window?.addEventListener('online', this.#renewIfDue)
    globalThis.document?.addEventListener('visibilitychange', this.#renewIfDue)
  }

  /** Stops timers and listeners. The user stays signed in. */
  close() {
    clearTimeout(this.#timer)
    this.#channel.close()
    globalThis.window?.removeEventListener('online', this.#renewIfDue)
    globalThis.document?.removeEventListener('visibilitychange', this.#renewIfDue)
  }

  /** Calls listener after each change of the state. Returns a function that unsubscribes it. */
  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** Returns the state, which is the same object until something changes. */
  readonly getState = () => this.#state

  /** Finds out whether a user is signed in. The first request calls it too; an app calls it to know what to show. */
  async start(): Promise<void> {
    await (this.#started ??= this.refresh(undefined))
  }

  /** Returns the access token for a request, or undefined if the user is signed out. Refreshes an expired one. */
  async accessToken(): Promise<string | undefined> {
    await this.start()
    if (this.#token && Date.now() >= this.#token.expiresAt) await this.refresh(this.#token.accessToken)
    return this.#token?.accessToken
  }

  /** Signs in with the result of login, register or completeSignIn. */
  accept({ accessToken, expiresAt, session }: SignedIn) {
    // Both times are from the server's clock, so the clock of this machine may be wrong.
    const lifetime = Math.max(0, Date.parse(expiresAt) - Date.parse(session.lastUsedAt))
    const now = Date.now()
    const renewAt = now + lifetime - Math.min(renewEarly, lifetime / 5)
    const token = { accessToken, sessionId: session.id, expiresAt: now + lifetime, renewAt }
    this.#setToken(token)
    this.#broadcast({ token })
  }

  /** Ends the session in all tabs. Resolves to false if the server did not answer: the user is still signed in. */
  async signOut(): Promise<boolean> {
    await this.#refreshing
    return this.#withLock({}, async () => {
      const answer = await this.#send(logoutDocument, authorization(this.#token?.accessToken))
      const answered = typeof answer?.data?.logout === 'boolean'
      if (answered) this.#setSignedOut(true)
      return answered
    })
  }

  /**
   * Replaces an access token that the server rejected. Resolves to whether the session has a newer one. It sends nothing if the
   * token was replaced already, and shares a refresh that is in progress.
   */
  async refresh(stale: string | undefined): Promise<boolean> {
    if (this.#state.status !== 'signed-out' && this.#token?.accessToken === stale) {
      await (this.#refreshing ??= this.#refreshWithLock().finally(() => { this.#refreshing = undefined }))
    }
    return this.#token !== undefined && this.#token.accessToken !== stale
  }

  /**
   * Proves the user's identity again. The factor is one of the methods of onStepUp, the proof is the password or the code.
   * Resolves to undefined, or to the server's errors; null if it did not answer.
   */
  async confirmIdentity(factor: string, proof: string): Promise<Errors | null> {
    for (let isSecond = false; ; isSecond = true) {
      const token = await this.accessToken()
      const answer = await this.#withLock({}, async () => {
        const answer = await this.#send(confirmDocument, authorization(token), { input: { factor, proof } })
        const payload = answer?.data?.confirmIdentity as SignedIn | null | undefined
        if (payload) this.accept(payload) // it replaced the refresh token too
        return answer
      })
      if (!answer) return null
      if (!answer.errors || isSecond || unauthenticated(answer.errors) === undefined) return answer.errors
      if (!(await this.refresh(token))) return answer.errors
    }
  }

  /**
   * Reacts to the errors of a response to a request that had this token. Resolves to whether to send the request again. A
   * request is repeated at most once for each reason; `past` remembers the reasons.
   */
  async recover(errors: Errors, token: string | undefined, isApplied: boolean, past: Set<string>): Promise<boolean> {
    if (unauthenticated(errors) !== undefined) {
      if (past.has('refresh')) {
        this.checkRetry(errors, token)
        return false
      }
      past.add('refresh')
      return (await this.refresh(token)) && !isApplied
    }
    const required = stepUp(errors)
    if (!required || !this.#onStepUp || isApplied || past.has('step-up')) return false
    if (this.#steppingUp) return this.#steppingUp // what it proves may be enough for this request too
    past.add('step-up')
    this.#steppingUp = this.#onStepUp(required).catch(() => false).finally(() => { this.#steppingUp = undefined })
    return this.#steppingUp
  }

  /** Checks the errors of a repeated request. If the server rejects the new token too, the user is signed out. */
  checkRetry(errors: Errors, accessToken: string | undefined) {
    const reason = unauthenticated(errors)
    if ((reason === 'revoked' || reason === 'invalid') && this.#token?.accessToken === accessToken) this.#setSignedOut(true)
  }

  // Refreshes if no other tab does. Otherwise waits for the other tab's message.
  async #refreshWithLock(): Promise<void> {
    const before = this.#messageCount
    const stale = this.#token
    const hasMessage = () => this.#messageCount !== before
    const received = new Promise<void>((resolve) => { this.#onMessage = resolve })
    const refresh = async () => { if (!hasMessage() && this.#token === stale) await this.#refreshNow(stale) }
    const free = await this.#withLock({ ifAvailable: true }, async (lock) => {
      if (lock) await refresh()
      return lock !== null
    })
    if (free) return
    await this.#withLock({}, async () => {
      // The message may arrive after the lock. A closed tab sends none.
      if (!hasMessage()) await Promise.race([received, new Promise((resolve) => setTimeout(resolve, messageDelay))])
      await refresh()
    })
  }

  async #refreshNow(stale: Token | undefined): Promise<void> {
    const answer = await this.#send(refreshDocument)
    if (this.#token !== stale) return // a sign-in has replaced the token
    const payload = answer?.data?.refresh as SignedIn | undefined
    if (payload) return this.accept(payload)
    const { code, retryAfter } = answer?.errors?.[0]?.extensions ?? {}
    if (code === 'INVALID_TOKEN') return this.#setSignedOut(true)
    const seconds = typeof retryAfter === 'number' ? retryAfter : 0
    this.#scheduleRetry(seconds)
    this.#broadcast({ unreachable: seconds })
  }

  // Resolves to undefined without a response, or if the response is not JSON.
  async #send(query: string, headers: Record<string, string> = {}, variables = {}): Promise<GraphQLAnswer | undefined> {
    try {
      const response = await this.#fetch(this.#url, {
        method: 'POST',
        credentials: this.#credentials,
        headers: { 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(requestTimeout),
        // If the page is closed now, the browser still stores the new cookie. The old token is valid for 10 more seconds; after
        // that, the server treats it as stolen.
        keepalive: true,
      })
      return (await response.json()) as GraphQLAnswer
    } catch {
      return undefined
    }
  }

  #withLock<T>(options: LockOptions, action: (lock: Lock | null) => Promise<T>): Promise<T> {
    if (!this.#locks) return action({ name: this.#lockName, mode: 'exclusive' })
    return this.#locks.request(this.#lockName, options, action) as Promise<T>
  }

  #setToken(token: Token) {
    this.#token = token
    this.#failures = 0
    this.#schedule(token.renewAt - Date.now())
    this.#set({ status: 'signed-in', sessionId: token.sessionId, unreachable: false })
  }

  #setSignedOut(broadcast: boolean) {
    const ended = this.#token?.sessionId
    this.#token = undefined
    this.#failures = 0
    clearTimeout(this.#timer)
    this.#set({ status: 'signed-out', unreachable: false })
    if (broadcast) this.#broadcast({ ended })
  }

  #scheduleRetry(retryAfter: number) {
    this.#schedule(Math.max(retryAfter * 1000, Math.min(minRetryDelay * 2 ** this.#failures++, maxRetryDelay)))
    this.#set({ ...this.#state, unreachable: true })
  }

  #broadcast(message: TabMessage) {
    this.#channel.postMessage(message)
  }

  #receive(message: TabMessage) {
    if ('token' in message) this.#setToken(message.token)
    else if ('unreachable' in message) {
      if (this.#state.status !== 'signed-out') this.#scheduleRetry(message.unreachable)
    } else if (this.#state.status === 'starting' || message.ended === this.#token?.sessionId) this.#setSignedOut(false)
    this.#messageCount++
    this.#onMessage()
  }

  #set(state: SessionState) {
    const { status, sessionId, unreachable } = this.#state
    if (status === state.status && sessionId === state.sessionId && unreachable === state.unreachable) return
    this.#state = state
    for (const listener of this.#listeners) listener()
  }

  #schedule(milliseconds: number) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#renew, Math.max(0, milliseconds))
  }

  readonly #renew = () => {
    // A hidden or offline page renews later, on visibilitychange or online.
    if (globalThis.document?.visibilityState === 'hidden' || globalThis.navigator?.onLine === false) return
    void this.refresh(this.#token?.accessToken)
  }

  readonly #renewIfDue = () => {
    if (this.#state.unreachable || (this.#token && Date.now() >= this.#token.renewAt)) this.#renew()
  }
}

export type Errors = readonly { readonly extensions?: Record<string, unknown> }[] | undefined

/** Returns the reason of the first UNAUTHENTICATED error, or undefined without one. */
export function unauthenticated(errors: Errors): unknown {
  const error = errors?.find((e) => e.extensions?.code === 'UNAUTHENTICATED')
  return error && (error.extensions?.reason ?? 'missing')
}

/** Returns what the first STEP_UP_REQUIRED error requires, or undefined without one. */
export function stepUp(errors: Errors): StepUp | undefined {
  const error = errors?.find((e) => e.extensions?.code === 'STEP_UP_REQUIRED')
  return error && { methods: (error.extensions?.methods ?? []) as string[] }
}

/** Reports whether a refresh or a confirmed identity may help a request that got these errors. */
function isRecoverable(errors: Errors): boolean {
  return unauthenticated(errors) !== undefined || stepUp(errors) !== undefined
}

/** Reports whether part of a mutation was applied. Then it must not be repeated. */
function isPartlyApplied(data: unknown): boolean {
  return Object.entries(data ?? {}).some(([name, field]) => field !== null && name !== '__typename')
}

function authorization(accessToken: string | undefined): Record<string, string> {
  return accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }
}

// ==== The exchange. ====

/** What the exchange stores about a request that it has sent. */
interface Sent {
  readonly original: Operation
  readonly token: string | undefined
  /** See Session.recover. */
  readonly past: Set<string>
}

/**
 * Sends each request with the session's access token, and again after a refresh or a confirmed identity if the server asks for
 * one. Put it right before fetchExchange.
 */
export function sessionExchange(session: Session): Exchange {
  return ({ forward }) => (operations$) => {
    const shared$ = pipe(operations$, share)
    const again = makeSubject<Sent>()
    // An operation that is cancelled while it waits for a token, a refresh or the user is not sent.
    const end = ({ key }: Operation) => pipe(shared$, filter((o) => o.kind === 'teardown' && o.key === key))
    const send = ({ original, past }: Pick<Sent, 'original' | 'past'>) =>
      pipe(
        fromPromise(session.accessToken()),
        map((token) => {
          const sent: Sent = { original, token, past }
          return makeOperation(original.kind, original, { ...original.context, sent, fetchOptions: () => withToken(original.context, token) })
        }),
        takeUntil(end(original)),
      )
    const results$ = pipe(
      merge([
        pipe(shared$, filter(({ kind }) => kind === 'teardown')),
        pipe(shared$, filter(({ kind }) => kind !== 'teardown'), mergeMap((original) => send({ original, past: new Set() }))),
        pipe(again.source, mergeMap(send)),
      ]),
      forward,
    )
    return pipe(
      results$,
      mergeMap((result) => {
        const sent = result.operation.context.sent as Sent
        const { original, token, past } = sent
        const answer = { ...result, operation: original } // a repeat of this operation must take a new token
        const errors = result.error?.graphQLErrors
        if (!isRecoverable(errors)) return fromValue(answer)
        const isApplied = original.kind === 'mutation' && isPartlyApplied(result.data)
        return pipe(
          fromPromise(session.recover(errors, token, isApplied, past)),
          takeUntil(end(original)),
          mergeMap((repeat) => {
            if (!repeat) return fromValue(answer)
            again.next(sent)
            return empty
          }),
        )
      }),
    )
  }
}

function withToken({ fetchOptions }: OperationContext, token: string | undefined): RequestInit {
  const options = typeof fetchOptions === 'function' ? fetchOptions() : fetchOptions
  return { ...options, headers: { ...Object.fromEntries(new Headers(options?.headers)), ...authorization(token) } }
}
