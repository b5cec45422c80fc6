import { ClientError, GraphQLClient } from 'graphql-request'

import { codesOf, scenario, url } from './scenario.mjs'

for (const method of ['POST', 'GET']) {
  await scenario(async (document, variables, token) => {
    const client = new GraphQLClient(url, { method: document.startsWith('mutation') ? 'POST' : method })
    if (token) client.setHeader('authorization', `Bearer ${token}`)
    try {
      return { data: await client.request(document, variables), codes: [] }
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      return { data: error.response.data, codes: codesOf(error.response.errors) }
    }
  })
}
