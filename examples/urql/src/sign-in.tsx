import { useMutation } from 'urql'
import { session, toFailure } from './client'
import { Field, Form } from './form'
import { LoginDocument, RegisterDocument } from './operations'

export function SignIn() {
  const [, login] = useMutation(LoginDocument)
  return (
    <>
      <h1>Sign in</h1>
      <Form button="Sign in" submit={async ({ email = '', password = '', rememberMe }) => {
        const { data, error } = await login({ input: { email, password, rememberMe: rememberMe === 'on' } })
        if (data?.login) session.accept(data.login)
        return toFailure(error)
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
