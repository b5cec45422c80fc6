// GraphQL Code Generator reads the schema from the server, and writes types and documents for the operations.
// graphql-request sends those documents.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

import { ClientError, GraphQLClient } from 'graphql-request'

import { codesOf, scenario, url } from './scenario.mjs'

const here = new URL('.', import.meta.url).pathname
writeFileSync(`${here}/codegen.json`, JSON.stringify({
  schema: url,
  documents: 'operations.graphql',
  generates: { 'gql/': { preset: 'client' } },
}))
execFileSync(process.execPath, [`${here}/node_modules/@graphql-codegen/cli/cjs/bin.js`, '--config', 'codegen.json'],
  { cwd: here, stdio: ['ignore', 'ignore', 'inherit'] })
const generated = readFileSync(`${here}/gql/graphql.ts`, 'utf8')

// Gated fields are nullable in the types; other fields are not.
const types = generated.match(/export type ClientsMeQueryQuery = (.*);/)[1]
assert.match(types, /^\{ me: \{ id: string, name: string, email: string \| null, .* \} \| null \}$/)

// The documents are JSON, which needs no compiler.
const documents = Object.fromEntries([...generated.matchAll(/export const (\w+)Document = (\{.*\}) as unknown as/g)]
  .map(([, name, json]) => [name.toLowerCase(), JSON.parse(json)]))
assert.equal(Object.keys(documents).length, 3)

await scenario(async (text, variables, token) => {
  const document = documents[text.match(/^(?:mutation|query) (\w+)/)[1].toLowerCase()]
  const client = new GraphQLClient(url, { headers: token ? { authorization: `Bearer ${token}` } : {} })
  try {
    return { data: await client.request(document, variables), codes: [] }
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    return { data: error.response.data, codes: codesOf(error.response.errors) }
  }
})
