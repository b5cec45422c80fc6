import { Client, cacheExchange, fetchExchange } from 'urql'

import { codesOf, scenario, url } from './scenario.mjs'

await scenario(async (document, variables, token) => {
  const client = new Client({
    url,
    exchanges: [cacheExchange, fetchExchange],
    fetchOptions: token && { headers: { authorization: `Bearer ${token}` } },
  })
  const send = document.startsWith('mutation') ? client.mutation(document, variables) : client.query(document, variables)
  const { data, error } = await send.toPromise()
  if (error?.networkError) throw error.networkError
  return { data, codes: codesOf(error?.graphQLErrors) }
})
