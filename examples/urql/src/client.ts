import { cacheExchange, Client, CombinedError, fetchExchange } from 'urql'
import type { Refusal } from './form'
import { Session, sessionExchange } from './session'

export const session = new Session()

/** A client with an empty cache: one for each sign-in, so that nobody sees what was loaded for another person. */
export function newClient() {
  return new Client({
    url: '/graphql',
    exchanges: [cacheExchange, sessionExchange(session), fetchExchange],
    preferGetMethod: false, // keeps queries out of the logs of proxies
  })
}

/** The server's errors in one shape for both examples; null if it did not answer. */
export function refusal(error: CombinedError | undefined): Refusal | undefined {
  return error && { errors: error.networkError ? null : error.graphQLErrors }
}
