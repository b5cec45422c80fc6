import { ApolloClient, CombinedGraphQLErrors, from, HttpLink, InMemoryCache } from '@apollo/client'
import type { Refusal } from './form'
import { Session, sessionLink } from './session'

export const session = new Session()

// A denied field is null, with an error beside it, and the rest of the answer is good: 'all' keeps both.
declare module '@apollo/client' {
  export namespace ApolloClient {
    export namespace DeclareDefaultOptions {
      interface WatchQuery { errorPolicy: 'all' }
      interface Query { errorPolicy: 'all' }
      interface Mutate { errorPolicy: 'all' }
    }
  }
}

/** A client with an empty cache: one for each sign-in, so that nobody sees what was loaded for another person. */
export function newClient() {
  return new ApolloClient({
    link: from([sessionLink(session), new HttpLink({ uri: '/graphql' })]),
    cache: new InMemoryCache(),
    defaultOptions: { watchQuery: { errorPolicy: 'all' }, query: { errorPolicy: 'all' }, mutate: { errorPolicy: 'all' } },
  })
}

/** The server's errors in one shape for both examples; null if it did not answer. */
export function refusal(error: unknown): Refusal | undefined {
  if (!error) return undefined
  return { errors: CombinedGraphQLErrors.is(error) ? error.errors : null }
}
