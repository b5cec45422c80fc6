// The session of a person on Fieldgate, for Apollo Client. Copy this one file into your app: it needs @apollo/client 4 and nothing else.
//
//   const session = new Session()
//   const client = new ApolloClient({ link: from([sessionLink(session), new HttpLink({ uri: '/graphql' })]), … })
//
//   session.accept(data.login)      after login or register, with what SignedIn names
//   session.signOut()               instead of asking for logout
//   session.subscribe, session.getState     for useSyncExternalStore
//
// The access token is kept in memory only, where no other script of another page or visit finds it; the refresh token is in a cookie that no
// script can read (delivery COOKIE, the default). Opening the page is therefore one silent refresh.
//
// - Before the access token expires it is renewed, if the page is seen. A tab in the background renews when it asks for something or is
//   looked at again, so that a forgotten one does not keep a session alive for ever.
// - However many requests find that the token is no good, in however many tabs, there is one refresh: the requests of a tab share it, tabs
//   take turns (Web Locks) and tell each other how it ended (BroadcastChannel). Where there are no Web Locks, on plain http that is not
//   localhost, tabs may refresh at once: the server allows for it for 10 seconds.
// - UNAUTHENTICATED refreshes once and asks once more, whatever the reason. Then whatever comes is the answer, so nothing goes in circles.
//   A mutation is asked once more only if nothing of it was done.
// - Only the server signs somebody out: a refresh that is INVALID_TOKEN, or a token that is `revoked` or `invalid` although it is new. No
//   network, RATE_LIMITED, OVERLOADED, UNAVAILABLE, a proxy's error page: the person stays signed in, and it is tried again, later and later.
// - FORBIDDEN is an answer like any other.
// - Signing in and out counts in all tabs. A state with another sessionId is another sign-in, perhaps another person's: what was
//   loaded before must not be shown then. The simplest is a client for each sessionId.

import { ApolloLink } from '@apollo/client'
import { concatMap, defer, from, map, of, switchMap } from 'rxjs'

// ==== The session. The same in examples/apollo and examples/urql, and a test holds that. ====

/** What to ask of `login` and `register`: accessToken expiresAt session { id lastUsedAt } */
export interface SignedIn {
  readonly accessToken: string
  readonly expiresAt: string
  readonly session: { readonly id: string; readonly lastUsedAt: string }
}

export interface SessionState {
  /** `starting` until the first refresh is answered, which takes as long as the server cannot be reached. */
  readonly status: 'starting' | 'signed-in' | 'signed-out'
  /** Which sign-in it is, while `status` is `signed-in`. */
  readonly sessionId?: string
  /** The last refresh got no answer that tells anything. It is tried again. */
  readonly unreachable: boolean
}

export interface SessionOptions {
  /** Where the API is; by default `/graphql` of the page's origin. */
  readonly url?: string
  /** `include` if the API is at another origin: the cookie is sent there too, and HttpLink or the urql client must say the same. */
  readonly credentials?: RequestCredentials
  /** The name of the lock and of the channel: for two apps on one origin with two APIs. */
  readonly name?: string
  /** For tests. */
  readonly fetch?: typeof fetch
  /** For tests. */
  readonly locks?: Pick<LockManager, 'request'>
}

interface Token {
  readonly accessToken: string
  readonly sessionId: string
  /** By this machine's clock, in milliseconds, like the next. */
  readonly expiresAt: number
  readonly renewAt: number
}

/** What a tab tells the others: a new token, the end of a session, or that nobody answers. */
type News = { readonly token: Token } | { readonly ended: string | undefined } | { readonly unreachable: number }

interface GraphQLAnswer {
  readonly data?: Record<string, unknown> | null
  readonly errors?: readonly { readonly extensions?: { readonly code?: unknown; readonly retryAfter?: unknown } }[]
}

const refreshDocument = 'mutation { refresh { accessToken expiresAt session { id lastUsedAt } } }'
const logoutDocument = 'mutation { logout }'

const earliness = 30_000 // milliseconds before its end that a token is renewed, or a fifth of its life if that is less
const patience = 15_000 // milliseconds for an answer, since the other tabs wait meanwhile
const newsTravels = 1_000 // milliseconds: longer than a message to another tab takes
const firstRetry = 1_000
const lastRetry = 60_000

export class Session {
  readonly #url: string
  readonly #credentials: RequestCredentials
  readonly #fetch: typeof fetch
  readonly #locks: Pick<LockManager, 'request'> | undefined
  readonly #lockName: string
  readonly #channel: BroadcastChannel
  readonly #listeners = new Set<() => void>()
  #state: SessionState = { status: 'starting', unreachable: false }
  #token: Token | undefined
  #started: Promise<unknown> | undefined
  #refreshing: Promise<void> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #heard = 0 // how often another tab told something
  #whenHeard = () => {}

  constructor(options: SessionOptions = {}) {
    this.#url = options.url ?? '/graphql'
    this.#credentials = options.credentials ?? 'same-origin'
    this.#fetch = options.fetch ?? ((...args) => fetch(...args))
    this.#locks = options.locks ?? globalThis.navigator?.locks
    this.#lockName = `${options.name ?? 'fieldgate'}-session`
    this.#channel = new BroadcastChannel(this.#lockName)
    this.#channel.onmessage = ({ data }: MessageEvent<News>) => this.#hear(data)
    globalThis.window?.addEventListener('online', this.#renewIfDue)
    globalThis.document?.addEventListener('visibilitychange', this.#renewIfDue)
  }

  /** Ends what this object does by itself; nobody is signed out. */
  close() {
    clearTimeout(this.#timer)
    this.#channel.close()
    globalThis.window?.removeEventListener('online', this.#renewIfDue)
    globalThis.document?.removeEventListener('visibilitychange', this.#renewIfDue)
  }

  /** Calls listener after each change of the state; what it returns ends that. */
  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** The state: the same object until something changes. */
  readonly getState = () => this.#state

  /** Finds out whether somebody is signed in. The first request does it too; an app calls it to know what to show. */
  async start(): Promise<void> {
    await (this.#started ??= this.refresh(undefined))
  }

  /** The access token for a request, if anybody is signed in; a new one if it has expired. */
  async accessToken(): Promise<string | undefined> {
    await this.start()
    if (this.#token && Date.now() >= this.#token.expiresAt) await this.refresh(this.#token.accessToken)
    return this.#token?.accessToken
  }

  /** Takes in what login or register answered. */
  accept({ accessToken, expiresAt, session }: SignedIn) {
    // Both of these are the server's clock, so that this machine's may be wrong.
    const life = Math.max(0, Date.parse(expiresAt) - Date.parse(session.lastUsedAt))
    const now = Date.now()
    const token = { accessToken, sessionId: session.id, expiresAt: now + life, renewAt: now + life - Math.min(earliness, life / 5) }
    this.#adopt(token)
    this.#tell({ token })
  }

  /** Ends the session, here and in the other tabs. False if the server did not answer: the person is still signed in then. */
  async signOut(): Promise<boolean> {
    await this.#refreshing
    return this.#inTurn({}, async () => {
      const answer = await this.#ask(logoutDocument, authorization(this.#token?.accessToken))
      const answered = typeof answer?.data?.logout === 'boolean'
      if (answered) this.#end(true)
      return answered
    })
  }

  /**
   * Gets another access token than this one, which the server did not take, and resolves to whether there is one. If there is one
   * already, or others wait for one, nothing more is sent.
   */
  async refresh(stale: string | undefined): Promise<boolean> {
    if (this.#state.status !== 'signed-out' && this.#token?.accessToken === stale) {
      await (this.#refreshing ??= this.#refreshInTurn().finally(() => { this.#refreshing = undefined }))
    }
    return this.#token !== undefined && this.#token.accessToken !== stale
  }

  /** Looks at an answer to a request that was sent once more: if the server does not want a new token either, the person is signed out. */
  judge(errors: Errors, accessToken: string | undefined) {
    const reason = unauthenticated(errors)
    if ((reason === 'revoked' || reason === 'invalid') && this.#token?.accessToken === accessToken) this.#end(true)
  }

  // Either no other tab refreshes now, or the one that does will tell how it went.
  async #refreshInTurn(): Promise<void> {
    const before = this.#heard
    const stale = this.#token
    const told = () => this.#heard !== before
    const toBeTold = new Promise<void>((resolve) => { this.#whenHeard = resolve })
    const refresh = async () => { if (!told() && this.#token === stale) await this.#refreshNow(stale) }
    const free = await this.#inTurn({ ifAvailable: true }, async (lock) => {
      if (lock) await refresh()
      return lock !== null
    })
    if (free) return
    await this.#inTurn({}, async () => {
      // The lock and the message come by different ways. A tab that was closed tells nothing.
      if (!told()) await Promise.race([toBeTold, new Promise((resolve) => setTimeout(resolve, newsTravels))])
      await refresh()
    })
  }

  async #refreshNow(stale: Token | undefined): Promise<void> {
    const answer = await this.#ask(refreshDocument)
    if (this.#token !== stale) return // somebody has signed in meanwhile: that counts
    const payload = answer?.data?.refresh as SignedIn | undefined
    if (payload) return this.accept(payload)
    const { code, retryAfter } = answer?.errors?.[0]?.extensions ?? {}
    if (code === 'INVALID_TOKEN') return this.#end(true)
    const seconds = typeof retryAfter === 'number' ? retryAfter : 0
    this.#missed(seconds)
    this.#tell({ unreachable: seconds })
  }

  // Undefined if there is no answer, or one that is not the API's.
  async #ask(query: string, headers: Record<string, string> = {}): Promise<GraphQLAnswer | undefined> {
    try {
      const response = await this.#fetch(this.#url, {
        method: 'POST',
        credentials: this.#credentials,
        headers: { 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify({ query }),
        signal: AbortSignal.timeout(patience),
        // If the page is closed now, the browser still keeps the new cookie. The old one would be good for 10 seconds only, and would
        // look stolen after that.
        keepalive: true,
      })
      return (await response.json()) as GraphQLAnswer
    } catch {
      return undefined
    }
  }

  #inTurn<T>(options: LockOptions, what: (lock: Lock | null) => Promise<T>): Promise<T> {
    if (!this.#locks) return what({ name: this.#lockName, mode: 'exclusive' })
    return this.#locks.request(this.#lockName, options, what) as Promise<T>
  }

  #adopt(token: Token) {
    this.#token = token
    this.#failures = 0
    this.#schedule(token.renewAt - Date.now())
    this.#set({ status: 'signed-in', sessionId: token.sessionId, unreachable: false })
  }

  #end(tell: boolean) {
    const ended = this.#token?.sessionId
    this.#token = undefined
    this.#failures = 0
    clearTimeout(this.#timer)
    this.#set({ status: 'signed-out', unreachable: false })
    if (tell) this.#tell({ ended })
  }

  #missed(retryAfter: number) {
    this.#schedule(Math.max(retryAfter * 1000, Math.min(firstRetry * 2 ** this.#failures++, lastRetry)))
    this.#set({ ...this.#state, unreachable: true })
  }

  #tell(news: News) {
    this.#channel.postMessage(news)
  }

  #hear(news: News) {
    if ('token' in news) this.#adopt(news.token)
    else if ('unreachable' in news) {
      if (this.#state.status !== 'signed-out') this.#missed(news.unreachable)
    } else if (this.#state.status === 'starting' || news.ended === this.#token?.sessionId) this.#end(false)
    this.#heard++
    this.#whenHeard()
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
    // Who is not seen or not online is waited for: these are events.
    if (globalThis.document?.visibilityState === 'hidden' || globalThis.navigator?.onLine === false) return
    void this.refresh(this.#token?.accessToken)
  }

  readonly #renewIfDue = () => {
    if (this.#state.unreachable || (this.#token && Date.now() >= this.#token.renewAt)) this.#renew()
  }
}

export type Errors = readonly { readonly extensions?: Record<string, unknown> }[] | undefined

/** The reason of the first error that is UNAUTHENTICATED, if there is one. */
export function unauthenticated(errors: Errors): unknown {
  const error = errors?.find((e) => e.extensions?.code === 'UNAUTHENTICATED')
  return error && (error.extensions?.reason ?? 'missing')
}

/** Whether something of a mutation was done: then it must not be sent once more. */
function partlyDone(data: unknown): boolean {
  return Object.entries(data ?? {}).some(([name, field]) => field !== null && name !== '__typename')
}

function authorization(accessToken: string | undefined): Record<string, string> {
  return accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }
}

// ==== The link. ====

/** Sends each request with the session's access token, and once more if that was not good. It stands before HttpLink. */
export function sessionLink(session: Session): ApolloLink {
  return new ApolloLink((operation, forward) => {
    const { headers } = operation.getContext()
    // Who unsubscribes, unsubscribes from all of it: what was cancelled while it waited for a token is not sent.
    const send = () => defer(() => from(session.accessToken())).pipe(switchMap((token) => {
      operation.setContext({ headers: { ...headers, ...authorization(token) } })
      return forward(operation).pipe(map((result) => ({ result, token })))
    }))
    const sendAgain = () => send().pipe(map(({ result, token }) => {
      session.judge(result.errors, token)
      return result
    }))
    return send().pipe(concatMap(({ result, token }) => {
      if (unauthenticated(result.errors) === undefined) return of(result)
      return from(session.refresh(token)).pipe(concatMap((renewed) => {
        const isDone = operation.operationType === 'mutation' && partlyDone(result.data)
        return renewed && !isDone ? sendAgain() : of(result)
      }))
    }))
  })
}
