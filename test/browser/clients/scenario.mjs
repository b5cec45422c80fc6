// What every client does: sign in, query the own account and a denied field, and page through a list.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

export const [url, user, admin, password] = process.argv.slice(2)

const operations = readFileSync(new URL('operations.graphql', import.meta.url), 'utf8').split(/\n\n(?=mutation|query)/)
export const [login, me, users] = operations

/**
 * `ask(document, variables, token)` sends an operation with one client and resolves to `{data, codes}`: the data, if any,
 * and the codes of the errors.
 */
export async function scenario(ask) {
  const signIn = async (email) => {
    const { data, codes } = await ask(login, { email, password })
    assert.deepEqual(codes, [])
    assert.equal(data.login.user.email, email)
    assert.equal(data.login.tokenType, 'Bearer')
    return data.login.accessToken
  }

  const token = await signIn(user)
  const own = await ask(me, {}, token)
  assert.deepEqual(own.codes, [])
  assert.equal(own.data.me.email, user)

  assert.deepEqual((await ask(me, {})).codes, ['UNAUTHENTICATED'])
  const denied = await ask(users, { first: 2 }, token)
  assert.deepEqual(denied.codes, ['FORBIDDEN'])
  assert.equal(denied.data?.users ?? null, null)
  assert.deepEqual((await ask(login, { email: user, password: 'a wrong password' })).codes, ['INVALID_CREDENTIALS'])

  const adminToken = await signIn(admin)
  const ids = []
  let page, after
  do {
    page = await ask(users, { first: 2, after }, adminToken)
    assert.deepEqual(page.codes, [])
    assert.ok(page.data.users.edges.length <= 2)
    ids.push(...page.data.users.edges.map((edge) => edge.node.id))
    after = page.data.users.pageInfo.endCursor
  } while (page.data.users.pageInfo.hasNextPage)
  assert.equal(new Set(ids).size, ids.length)
  assert.ok(ids.length > 2, `${ids.length} accounts are one page`)
}

export const codesOf = (errors) => (errors ?? []).map((error) => error.extensions.code)
