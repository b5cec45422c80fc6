import { useState } from 'react'
import { useMutation, useQuery } from 'urql'
import { session, toFailure } from './client'
import { ErrorMessage, type Failure } from './form'
import { DevicesDocument, LogoutEverywhereDocument, RevokeSessionDocument } from './operations'

export function Devices({ refetchViewer }: { refetchViewer: () => void }) {
  const [{ data, error }, refetch] = useQuery({ query: DevicesDocument, requestPolicy: 'cache-and-network' })
  const [, revoke] = useMutation(RevokeSessionDocument)
  const [, logoutEverywhere] = useMutation(LogoutEverywhereDocument)
  const [failure, setFailure] = useState<Failure>()
  return (
    <>
      <h1>Devices</h1>
      <p>The devices that are signed in to your account. <button onClick={() => { refetchViewer(); refetch({ requestPolicy: 'network-only' }) }}>Refresh</button></p>
      <ErrorMessage failure={failure ?? toFailure(error)} />
      <ul className="cards">
        {data?.sessions?.map(({ id, userAgent, createdAt, lastUsedAt, current }) => (
          <li key={id}>
            <p><strong>{current ? 'This device' : 'Another device'}</strong>, since {new Date(createdAt).toLocaleString()}, last used {new Date(lastUsedAt).toLocaleString()}</p>
            <p>{userAgent}</p>
            {!current && <button onClick={async () => setFailure(toFailure((await revoke({ id }, { additionalTypenames: ['Session'] })).error))}>Sign this device out</button>}
          </li>
        ))}
      </ul>
      <button onClick={async () => {
        const { error } = await logoutEverywhere({})
        setFailure(toFailure(error))
        if (!error) await session.signOut()
      }}>Sign out everywhere</button>
    </>
  )
}
