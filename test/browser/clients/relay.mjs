// relay-compiler compiles the operations, a list with @connection among them, and relay-runtime runs them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'

import relay from 'relay-runtime'

import { codesOf, login, me, scenario, url, users } from './scenario.mjs'

const here = new URL('.', import.meta.url).pathname
copyFileSync(process.argv[6], `${here}/schema.graphql`) // the compiler reads only its own folder

const list = `query clientsListQuery($first: Int, $after: String, $last: Int, $before: String) {
  users(first: $first, after: $after, last: $last, before: $before) @connection(key: "clients_users") {
    edges { node { id name } }
  }
}`
const page = 'query clientsFragmentQuery { ...clientsFragment }'
const fragment = `fragment clientsFragment on Query
  @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" })
  @refetchable(queryName: "clientsPageQuery") {
  users(first: $count, after: $cursor) @connection(key: "clientsFragment_users") {
    edges { node { id } }
  }
}`
mkdirSync(`${here}/src`, { recursive: true })
writeFileSync(`${here}/src/clients.js`,
  `import { graphql } from 'relay-runtime'\n${[login, me, users, list, page, fragment].map((text) => `graphql\`${text}\``).join('\n')}\n`)
writeFileSync(`${here}/relay.config.json`, JSON.stringify({ src: './src', schema: './schema.graphql', language: 'javascript', eagerEsModules: true }))
execFileSync(process.execPath, [`${here}/node_modules/relay-compiler/cli.js`, 'relay.config.json'], { cwd: here, stdio: ['ignore', 'ignore', 'inherit'] })

const { Environment, Network, RecordSource, Store, commitMutation, fetchQuery } = relay

/** Returns an environment with the network of Relay's documentation, which keeps the errors of the last response. */
function environmentOf(token) {
  const seen = { errors: undefined }
  const network = Network.create(async ({ text }, variables) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
      body: JSON.stringify({ query: text, variables }),
    })
    const answer = await response.json()
    seen.errors = answer.errors
    return answer
  })
  return { seen, environment: new Environment({ network, store: new Store(new RecordSource()) }) }
}

const compiled = async (name) => (await import(`./src/__generated__/${name}.graphql.js`)).default

async function run(document, variables, token) {
  const name = document.match(/^(?:mutation|query) (\w+)/)[1]
  const { seen, environment } = environmentOf(token)
  const node = await compiled(name)
  try {
    const data = document.startsWith('mutation')
      ? await new Promise((onCompleted, onError) => commitMutation(environment, { mutation: node, variables, onCompleted, onError }))
      : await fetchQuery(environment, node, variables).toPromise()
    return { data, codes: codesOf(seen.errors) }
  } catch (error) {
    if (!seen.errors) throw error
    return { codes: codesOf(seen.errors) } // without data
  }
}

await scenario(run)

// The same list with @connection, forward and backward.
const { data } = await run(login, { email: process.argv[4], password: process.argv[5] })
const token = data.login.accessToken
const all = await run(list, { first: 100 }, token)
const forward = await run(list, { first: 2 }, token)
const backward = await run(list, { first: null, last: 2 }, token)
const ids = (answer) => (assert.deepEqual(answer.codes, []), answer.data.users.edges.map((edge) => edge.node.id))
assert.deepEqual(ids(forward), ids(all).slice(0, 2))
assert.deepEqual(ids(backward), ids(all).slice(-2))
assert.equal(forward.data.users.pageInfo.hasNextPage, true)
assert.equal(backward.data.users.pageInfo.hasPreviousPage, true)
const before = await run(list, { first: null, last: 1, before: backward.data.users.pageInfo.startCursor }, token)
assert.deepEqual(ids(before), ids(all).slice(-3, -2))

// The query that the compiler generated from the fragment reads the next page.
assert.deepEqual((await run('query clientsPageQuery', { count: 2, cursor: forward.data.users.pageInfo.endCursor }, token)).codes, [])
