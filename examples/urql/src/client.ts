import { cacheExchange, Client, CombinedError, fetchExchange } from 'urql'
import type { Failure } from './form'
import { Session, sessionExchange } from './session'
import { askUser } from './step-up'

export const session = new Session({ onStepUp: askUser })

/** Returns a client with an empty cache. Each sign-in gets its own, so that no user sees data loaded for another. */
export function newClient() {
  return new Client({
    url: '/graphql',
    exchanges: [cacheExchange, sessionExchange(session), fetchExchange],
    preferGetMethod: false, // keeps queries out of the logs of proxies
  })
}

/** Converts an error of the client. Its errors are null if the server did not answer. */
export function toFailure(error: CombinedError | undefined): Failure | undefined {
  return error && { errors: error.networkError ? null : error.graphQLErrors }
}
