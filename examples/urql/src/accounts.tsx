import { useEffect, useState } from 'react'
import { useClient, useQuery } from 'urql'
import { refusal } from './client'
import { Problem, refusedBecause } from './form'
import { AdminDocument, type AdminQuery } from './operations'

type Users = NonNullable<AdminQuery['users']>

/** For STAFF; ADMIN also sees the log. What somebody may not see is null, and the rest is shown. */
export function Accounts({ lookAgain }: { lookAgain: () => void }) {
  const client = useClient()
  const [{ data, error }, ask] = useQuery({ query: AdminDocument, variables: {}, requestPolicy: 'cache-and-network' })
  const [more, setMore] = useState<Users[]>([])
  const refused = refusal(error)
  const denied = refusedBecause(refused, 'FORBIDDEN') && !data?.users
  useEffect(() => { // they may less than they could when the page was opened: then there are fewer pages
    if (denied) lookAgain()
  }, [denied])
  const pages = data?.users ? [data.users, ...more] : []
  const pageInfo = pages.at(-1)?.pageInfo
  return (
    <>
      <h1>Accounts</h1>
      <p><button onClick={() => { setMore([]); ask({ requestPolicy: 'network-only' }) }}>Look again</button></p>
      {!refusedBecause(refused, 'FORBIDDEN') && <Problem refusal={refused} />}
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
      <h2>What happened</h2>
      {data?.auditLog
        ? <ul>{data.auditLog.edges.map(({ node }) => <li key={node.id}>{new Date(node.createdAt).toLocaleString()}: {node.event} {node.detail}</li>)}</ul>
        : <p>{refused ? 'The log is for ADMIN.' : 'One moment …'}</p>}
    </>
  )
}
