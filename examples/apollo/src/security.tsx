import { useMutation, useQuery } from '@apollo/client/react'
import { useState } from 'react'
import { toFailure } from './client'
import { ErrorMessage, type Failure } from './form'
import { BeginTotpDocument, EnableTotpDocument, FactorsDocument, NewRecoveryCodesDocument, RemoveFactorDocument, type BeginTotpMutation } from './operations'
import { RecoveryCodes } from './recovery-codes'
import { TotpSetup } from './totp-setup'

/** The second factors of the account. The server asks for a recent proof of identity: see step-up-dialog.tsx. */
export function Security() {
  const { data, error, refetch } = useQuery(FactorsDocument, { fetchPolicy: 'cache-and-network' })
  const [begin] = useMutation(BeginTotpDocument)
  const [enable] = useMutation(EnableTotpDocument)
  const [remove] = useMutation(RemoveFactorDocument)
  const [newCodes] = useMutation(NewRecoveryCodesDocument)
  const [setup, setSetup] = useState<BeginTotpMutation['beginTotp']>()
  const [codes, setCodes] = useState<readonly string[]>()
  const [failure, setFailure] = useState<Failure>()

  if (codes) return <><h1>Security</h1><RecoveryCodes codes={codes} done={() => setCodes(undefined)} /></>
  if (setup) {
    return (
      <>
        <h1>Security</h1>
        <TotpSetup {...setup} cancel={() => setSetup(undefined)} enable={async (code) => {
          const { data, error } = await enable({ variables: { code } })
          if (data?.enableTotp) {
            setSetup(undefined)
            setCodes(data.enableTotp)
            void refetch()
          }
          return toFailure(error)
        }} />
      </>
    )
  }

  async function beginSetup() {
    const { data, error } = await begin()
    setFailure(toFailure(error))
    if (data?.beginTotp) setSetup(data.beginTotp)
  }
  async function removeFactor(id: string) {
    const { error } = await remove({ variables: { id } })
    setFailure(toFailure(error))
    void refetch()
  }
  async function replaceCodes() {
    const { data, error } = await newCodes()
    setFailure(toFailure(error))
    if (data?.newRecoveryCodes) setCodes(data.newRecoveryCodes)
  }
  const factors = data?.factors
  return (
    <>
      <h1>Security</h1>
      <p>
        With an authenticator app, a sign-in requires your password and a code from your phone. A stolen password alone is not enough.
      </p>
      <ErrorMessage failure={failure ?? toFailure(error)} />
      {factors && factors.length === 0 && <p>Your account has no authenticator app yet.</p>}
      {factors && factors.length > 0 && (
        <ul className="cards">
          {factors.map(({ id, factor, createdAt, lastUsedAt }) => (
            <li key={id}>
              <p>
                <strong>{factor === 'TOTP' ? 'Authenticator app' : factor}</strong>, added {new Date(createdAt).toLocaleString()},{' '}
                {lastUsedAt ? `last used ${new Date(lastUsedAt).toLocaleString()}` : 'not used yet'}
              </p>
              <button onClick={() => removeFactor(id)}>Remove</button>
            </li>
          ))}
        </ul>
      )}
      {factors && (
        <p className="actions">
          <button onClick={beginSetup}>{factors.length > 0 ? 'Move to another phone' : 'Set up an authenticator app'}</button>
          {factors.length > 0 && <button onClick={replaceCodes}>Create new recovery codes</button>}
        </p>
      )}
    </>
  )
}
