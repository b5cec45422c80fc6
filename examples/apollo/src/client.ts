import { ApolloClient, CombinedGraphQLErrors, from, HttpLink, InMemoryCache } from '@apollo/client'
import type { Failure } from './form'
import { Session, sessionLink } from './session'
import { askUser } from './step-up'

export const session = new Session({ onStepUp: askUser })

// A denied field is null and has an error; the rest of the response is valid. 'all' keeps both.
declare module '@apollo/client' {
  export namespace ApolloClient {
    export namespace DeclareDefaultOptions {
      interface WatchQuery { errorPolicy: 'all' }
      interface Query { errorPolicy: 'all' }
      interface Mutate { errorPolicy: 'all' }
    }
  }
}

/** Returns a client with an empty cache. Each sign-in gets its own, so that no user sees data loaded for another. */
export function newClient() {
  return new ApolloClient({
    link: from([sessionLink(session), new HttpLink({ uri: '/graphql' })]),
    cache: new InMemoryCache(),
    defaultOptions: { watchQuery: { errorPolicy: 'all' }, query: { errorPolicy: 'all' }, mutate: { errorPolicy: 'all' } },
  })
}

/** Converts an error of the client. Its errors are null if the server did not answer. */
export function toFailure(error: unknown): Failure | undefined {
  if (!error) return undefined
  return { errors: CombinedGraphQLErrors.is(error) ? error.errors : null }
}
