import { createHash } from 'node:crypto'

import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client'
import { CombinedGraphQLErrors } from '@apollo/client/errors'
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries'

import { codesOf, scenario, url } from './scenario.mjs'

const sha256 = (text) => createHash('sha256').update(text).digest('hex')

for (const useGETForHashedQueries of [false, true]) {
  const client = new ApolloClient({
    link: new PersistedQueryLink({ sha256, useGETForHashedQueries }).concat(new HttpLink({ uri: url })),
    cache: new InMemoryCache(),
  })
  await scenario(async (document, variables, token) => {
    const context = token && { headers: { authorization: `Bearer ${token}` } }
    try {
      const { data } = document.startsWith('mutation')
        ? await client.mutate({ mutation: gql(document), variables, context })
        : await client.query({ query: gql(document), variables, context, fetchPolicy: 'network-only' })
      return { data, codes: [] }
    } catch (error) {
      if (!CombinedGraphQLErrors.is(error)) throw error
      return { data: error.data, codes: codesOf(error.errors) }
    }
  })
}
