import { useApolloClient, useMutation, useQuery } from '@apollo/client/react'
import { useState } from 'react'
import { session, toFailure } from './client'
import { ErrorMessage, type Failure } from './form'
import { DevicesDocument, LogoutEverywhereDocument, RevokeSessionDocument } from './operations'

export function Devices() {
  const client = useApolloClient()
  const { data, error } = useQuery(DevicesDocument, { fetchPolicy: 'cache-and-network' })
  const [revoke] = useMutation(RevokeSessionDocument, { refetchQueries: [DevicesDocument] })
  const [logoutEverywhere] = useMutation(LogoutEverywhereDocument)
  const [failure, setFailure] = useState<Failure>()
  return (
    <>
      <h1>Devices</h1>
      <p>The devices that are signed in to your account. <button onClick={() => client.refetchQueries({ include: 'active' })}>Refresh</button></p>
      <ErrorMessage failure={failure ?? toFailure(error)} />
      <ul className="cards">
        {data?.sessions?.map(({ id, userAgent, createdAt, lastUsedAt, current }) => (
          <li key={id}>
            <p><strong>{current ? 'This device' : 'Another device'}</strong>, since {new Date(createdAt).toLocaleString()}, last used {new Date(lastUsedAt).toLocaleString()}</p>
            <p>{userAgent}</p>
            {!current && <button onClick={async () => setFailure(toFailure((await revoke({ variables: { id } })).error))}>Sign this device out</button>}
          </li>
        ))}
      </ul>
      <button onClick={async () => {
        const { error } = await logoutEverywhere()
        setFailure(toFailure(error))
        if (!error) await session.signOut()
      }}>Sign out everywhere</button>
    </>
  )
}
