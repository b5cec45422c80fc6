import { useEffect, useState } from 'react'
import { useClient, useQuery } from 'urql'
import { toFailure } from './client'
import { ErrorMessage, hasErrorCode } from './form'
import { AdminDocument, type AdminQuery } from './operations'

type Users = NonNullable<AdminQuery['users']>

/** The page for STAFF; only ADMIN can read the audit log. Denied fields are null, and the rest is shown. */
export function Accounts({ refetchViewer }: { refetchViewer: () => void }) {
  const client = useClient()
  const [{ data, error }, refetch] = useQuery({ query: AdminDocument, variables: {}, requestPolicy: 'cache-and-network' })
  const [more, setMore] = useState<Users[]>([])
  const failure = toFailure(error)
  const denied = hasErrorCode(failure, 'FORBIDDEN') && !data?.users
  useEffect(() => { // the role has changed: the list of pages must be loaded again
    if (denied) refetchViewer()
  }, [denied])
  const pages = data?.users ? [data.users, ...more] : []
  const pageInfo = pages.at(-1)?.pageInfo
  return (
    <>
      <h1>Accounts</h1>
      <p><button onClick={() => { setMore([]); refetch({ requestPolicy: 'network-only' }) }}>Refresh</button></p>
      {!hasErrorCode(failure, 'FORBIDDEN') && <ErrorMessage failure={failure} />}
      {pages.length > 0 && (
        <table>
          <thead><tr><th>Name</th><th>E-mail address</th><th>Role</th></tr></thead>
          <tbody>{pages.flatMap(({ edges }) => edges).map(({ node }) => <tr key={node.id}><td>{node.name}</td><td>{node.email}</td><td>{node.role}</td></tr>)}</tbody>
        </table>
      )}
      {pageInfo?.hasNextPage && (
        <button onClick={async () => {
          const { data } = await client.query(AdminDocument, { after: pageInfo.endCursor }).toPromise()
          if (data?.users) setMore([...more, data.users])
        }}>More</button>
      )}
      <h2>Audit log</h2>
      {data?.auditLog
        ? <ul>{data.auditLog.edges.map(({ node }) => <li key={node.id}>{new Date(node.createdAt).toLocaleString()}: {node.event} {node.detail}</li>)}</ul>
        : <p>{failure ? 'Only ADMIN can read the audit log.' : 'Loading …'}</p>}
    </>
  )
}
