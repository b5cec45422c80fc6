import { useState } from 'react'
import { useMutation, useQuery } from 'urql'
import { refusal, session } from './client'
import { Problem, type Refusal } from './form'
import { DevicesDocument, LogoutEverywhereDocument, RevokeSessionDocument } from './operations'

export function Devices({ lookAgain }: { lookAgain: () => void }) {
  const [{ data, error }, ask] = useQuery({ query: DevicesDocument, requestPolicy: 'cache-and-network' })
  const [, revoke] = useMutation(RevokeSessionDocument)
  const [, logoutEverywhere] = useMutation(LogoutEverywhereDocument)
  const [refused, setRefused] = useState<Refusal>()
  return (
    <>
      <h1>Devices</h1>
      <p>Where you are signed in. <button onClick={() => { lookAgain(); ask({ requestPolicy: 'network-only' }) }}>Look again</button></p>
      <Problem refusal={refused ?? refusal(error)} />
      <ul className="cards">
        {data?.sessions?.map(({ id, userAgent, createdAt, lastUsedAt, current }) => (
          <li key={id}>
            <p><strong>{current ? 'This device' : 'Another device'}</strong>, since {new Date(createdAt).toLocaleString()}, last used {new Date(lastUsedAt).toLocaleString()}</p>
            <p>{userAgent}</p>
            {!current && <button onClick={async () => setRefused(refusal((await revoke({ id }, { additionalTypenames: ['Session'] })).error))}>Sign this device out</button>}
          </li>
        ))}
      </ul>
      <button onClick={async () => {
        const { error } = await logoutEverywhere({})
        setRefused(refusal(error))
        if (!error) await session.signOut()
      }}>Sign out everywhere</button>
    </>
  )
}
