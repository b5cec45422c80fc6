import { useApolloClient, useQuery } from '@apollo/client/react'
import { useEffect } from 'react'
import { refusal } from './client'
import { Problem, refusedBecause } from './form'
import { AdminDocument, ViewerDocument } from './operations'

/** For STAFF; ADMIN also sees the log. What somebody may not see is null, and the rest is shown. */
export function Accounts() {
  const client = useApolloClient()
  const { data, error, fetchMore, refetch } = useQuery(AdminDocument, { fetchPolicy: 'cache-and-network' })
  const refused = refusal(error)
  const denied = refusedBecause(refused, 'FORBIDDEN') && !data?.users
  useEffect(() => { // they may less than they could when the page was opened: then there are fewer pages
    if (denied) void client.refetchQueries({ include: [ViewerDocument] })
  }, [client, denied])
  const { edges, pageInfo } = data?.users ?? {}
  return (
    <>
      <h1>Accounts</h1>
      <p><button onClick={() => refetch()}>Look again</button></p>
      {!refusedBecause(refused, 'FORBIDDEN') && <Problem refusal={refused} />}
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
      <h2>What happened</h2>
      {data?.auditLog
        ? <ul>{data.auditLog.edges.map(({ node }) => <li key={node.id}>{new Date(node.createdAt).toLocaleString()}: {node.event} {node.detail}</li>)}</ul>
        : <p>{refused ? 'The log is for ADMIN.' : 'One moment …'}</p>}
    </>
  )
}
