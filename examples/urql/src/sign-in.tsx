import { useState } from 'react'
import { useMutation } from 'urql'
import { session, toFailure } from './client'
import { FactorForm, knownFactors, type Factor } from './factor-form'
import { Field, Form, secondFactorMethods } from './form'
import { CompleteSignInDocument, LoginDocument, RegisterDocument } from './operations'

export function SignIn() {
  const [, login] = useMutation(LoginDocument)
  const [methods, setMethods] = useState<readonly Factor[]>()
  if (methods) return <SecondFactor methods={methods} back={() => setMethods(undefined)} />
  return (
    <>
      <h1>Sign in</h1>
      <Form button="Sign in" submit={async ({ email = '', password = '', rememberMe }) => {
        const { data, error } = await login({ input: { email, password, rememberMe: rememberMe === 'on' } })
        if (data?.login) session.accept(data.login)
        const failure = toFailure(error)
        const required = knownFactors(secondFactorMethods(failure) ?? [])
        if (required.length === 0) return failure
        setMethods(required)
      }}>
        {(errorOf) => (
          <>
            <Field label="E-mail address" name="email" type="email" autoComplete="username" error={errorOf('email')} />
            <Field label="Password" name="password" type="password" autoComplete="current-password" error={errorOf('password')} />
            <label><input type="checkbox" name="rememberMe" /> Stay signed in on this device</label>
          </>
        )}
      </Form>
      <p>No account yet? <a href="#register">Create one</a></p>
    </>
  )
}

/** The second half of a sign-in to an account with a second factor. */
function SecondFactor({ methods, back }: { methods: readonly Factor[]; back: () => void }) {
  const [, complete] = useMutation(CompleteSignInDocument)
  return (
    <>
      <h1>Enter your code</h1>
      <FactorForm methods={methods} button="Sign in" messages={{ INVALID_TOKEN: 'Sign in again: this took too long, or too many codes were wrong.' }}
        submit={async (factor, code) => {
          const { data, error } = await complete({ input: { factor, code } })
          if (data?.completeSignIn) session.accept(data.completeSignIn)
          return toFailure(error)
        }} />
      <p><button type="button" className="quiet" onClick={back}>Back</button></p>
    </>
  )
}

export function Register() {
  const [, register] = useMutation(RegisterDocument)
  return (
    <>
      <h1>Create an account</h1>
      <Form button="Register" submit={async ({ name = '', email = '', password = '' }) => {
        const { data, error } = await register({ input: { name, email, password } })
        if (data?.register) {
          location.hash = 'profile'
          session.accept(data.register)
        }
        return toFailure(error)
      }}>
        {(errorOf) => (
          <>
            <Field label="Name" name="name" autoComplete="name" error={errorOf('name')} />
            <Field label="E-mail address" name="email" type="email" autoComplete="username" error={errorOf('email')} />
            <Field label="Password" name="password" type="password" autoComplete="new-password" error={errorOf('password')} />
          </>
        )}
      </Form>
      <p>Already have an account? <a href="#">Sign in</a></p>
    </>
  )
}
