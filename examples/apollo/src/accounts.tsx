import { useApolloClient, useQuery } from '@apollo/client/react'
import { useEffect } from 'react'
import { toFailure } from './client'
import { ErrorMessage, hasErrorCode } from './form'
import { AdminDocument, ViewerDocument } from './operations'

/** The page for STAFF; only ADMIN can read the audit log. Denied fields are null, and the rest is shown. */
export function Accounts() {
  const client = useApolloClient()
  const { data, error, fetchMore, refetch } = useQuery(AdminDocument, { fetchPolicy: 'cache-and-network' })
  const failure = toFailure(error)
  const denied = hasErrorCode(failure, 'FORBIDDEN') && !data?.users
  useEffect(() => { // the role has changed: the list of pages must be loaded again
    if (denied) void client.refetchQueries({ include: [ViewerDocument] })
  }, [client, denied])
  const { edges, pageInfo } = data?.users ?? {}
  return (
    <>
      <h1>Accounts</h1>
      <p><button onClick={() => refetch()}>Refresh</button></p>
      {!hasErrorCode(failure, 'FORBIDDEN') && <ErrorMessage failure={failure} />}
      {edges && (
        <table>
          <thead><tr><th>Name</th><th>E-mail address</th><th>Role</th></tr></thead>
          <tbody>{edges.map(({ node }) => <tr key={node.id}><td>{node.name}</td><td>{node.email}</td><td>{node.role}</td></tr>)}</tbody>
        </table>
      )}
      {pageInfo?.hasNextPage && (
        <button onClick={() => fetchMore({
          variables: { after: pageInfo.endCursor },
          updateQuery: (before, { fetchMoreResult: { users } }) =>
            before.users && users ? { ...before, users: { ...users, edges: [...before.users.edges, ...users.edges] } } : before,
        })}>More</button>
      )}
      <h2>Audit log</h2>
      {data?.auditLog
        ? <ul>{data.auditLog.edges.map(({ node }) => <li key={node.id}>{new Date(node.createdAt).toLocaleString()}: {node.event} {node.detail}</li>)}</ul>
        : <p>{failure ? 'Only ADMIN can read the audit log.' : 'Loading …'}</p>}
    </>
  )
}
