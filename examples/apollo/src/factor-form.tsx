import { useState } from 'react'
import { Field, Form, type Failure } from './form'

const factors = {
  PASSWORD: {
    label: 'Password', input: { type: 'password', autoComplete: 'current-password' },
    other: 'Use your password instead', wrong: 'The password is wrong.',
  },
  TOTP: {
    label: 'Code from your authenticator app', input: { autoComplete: 'one-time-code', inputMode: 'numeric' },
    other: 'Use your authenticator app instead', wrong: 'This code is wrong or was used before. Wait for the next code.',
  },
  RECOVERY_CODE: {
    label: 'Recovery code', input: { autoComplete: 'off' },
    other: 'Use a recovery code instead', wrong: 'This recovery code is wrong or was used before.',
  },
} as const

export type Factor = keyof typeof factors

/** Returns those of the server's methods that this app has a form for. A newer server may have more. */
export const knownFactors = (methods: readonly string[]) => methods.filter((method): method is Factor => method in factors)

interface FactorFormProps {
  /** The factors that the user can choose from: at least one. The form starts with the first. */
  methods: readonly Factor[]
  /** The text of the button. */
  button: string
  /** Messages by error code, for errors that mean something special here. */
  messages?: Record<string, string>
  submit: (factor: Factor, proof: string) => Promise<Failure | undefined>
}

/** Asks for a password, a code or a recovery code. */
export function FactorForm({ methods, button, messages, submit }: FactorFormProps) {
  const [chosen, choose] = useState(methods[0]!)
  const { label, input, wrong } = factors[chosen]
  return (
    <>
      <Form key={chosen} button={button} messages={{ INVALID_CREDENTIALS: wrong, ...messages }}
        submit={({ proof = '' }) => submit(chosen, proof)}>
        {(errorOf) => <Field label={label} name="proof" autoFocus {...input} error={errorOf('proof') ?? errorOf('code')} />}
      </Form>
      {methods.filter((method) => method !== chosen).map((method) => (
        <p key={method}><button type="button" className="quiet" onClick={() => choose(method)}>{factors[method].other}</button></p>
      ))}
    </>
  )
}
