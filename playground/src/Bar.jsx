import { useEffect, useId, useRef, useState } from 'react'
import { session, useSession } from './useSession.js'

/**
 * The bar above the editor shows the signed-in user, and signs in and out. demoUsers is empty
 * unless the server runs a demo.
 */
export function Bar({ demoUsers }) {
  const { settled, user, asksToSignIn, asksToEnrol, question } = useSession()
  const [form, setForm] = useState(null) // 'login', 'register', or null if no form is open
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const opener = useRef(null)
  const userArea = useRef(null)
  const acted = useRef(false)
  const formId = useId()

  useEffect(() => { if (user) setForm(null) }, [user])

  // The action may have removed the focused element.
  useEffect(() => {
    if (acted.current && !busy && document.activeElement === document.body) userArea.current?.querySelector('button')?.focus()
  }, [busy, user, form, question])

  // Buttons stay enabled meanwhile, because a disabled button loses the focus.
  async function attempt(action) {
    if (busy) return
    acted.current = true
    setBusy(true)
    setProblem('')
    try {
      await action()
    } catch (error) {
      setProblem(error instanceof TypeError ? 'The server does not answer. Check your connection and try again.' : error.message)
    } finally {
      setBusy(false)
    }
  }

  function toggle(which) {
    setProblem('')
    setForm(form === which ? null : which)
  }

  function close() {
    setForm(null)
    setProblem('')
    opener.current?.focus()
  }

  return (
    <header className="fg-bar" aria-busy={busy || !settled}>
      <div className="fg-row">
        <h1>Fieldgate</h1>
        {demoUsers.length > 0 && (
          <div className="fg-demo-users" role="group" aria-label="Sign in as a demo user">
            <span aria-hidden="true">Sign in as</span>
            {demoUsers.map(({ name, email, role, password }) => (
              <button
                key={email} type="button" aria-pressed={user?.email === email}
                onClick={() => attempt(() => session.signIn('login', { email, password }))}
              >
                {name} <small>{role}</small>
              </button>
            ))}
          </div>
        )}
        <div className="fg-user" ref={userArea}>
          {!settled && <span>Loading…</span>}
          {settled && user && (
            <>
              <span role="status">
                <b>{user.name}</b> <span className="fg-email">{user.email}</span> <span className="fg-role" title="your role">{user.role}</span>
              </span>
              <button type="button" onClick={() => attempt(() => session.signOut())}>Sign out</button>
            </>
          )}
          {settled && !user && (
            <>
              <span role="status">Signed out</span>
              {[['login', 'Sign in'], ['register', 'Register']].map(([which, title]) => (
                <button
                  key={which} type="button" aria-expanded={form === which} aria-controls={formId}
                  onClick={(e) => { opener.current = e.currentTarget; toggle(which) }}
                >
                  {title}
                </button>
              ))}
            </>
          )}
        </div>
      </div>
      <div id={formId}>
        {question && (
          <ProofForm
            key={question.field} {...question} submit={(factor, proof) => attempt(() => session.prove(factor, proof))}
            cancel={() => { setProblem(''); session.cancel() }}
          />
        )}
        {form && !question && <Form key={form} by={form} submit={(input) => attempt(() => session.signIn(form, input))} close={close} />}
      </div>
      <p className="fg-hint" role="status" hidden={!(asksToSignIn && settled && !user)}>This operation needs an account: sign in above.</p>
      <p className="fg-hint" role="status" hidden={!(asksToEnrol && user)}>
        This operation needs a second factor: run the examples “Begin to enrol an authenticator app” and “Enrol it with the code that it shows”.
      </p>
      <p className="fg-problem" role="alert" hidden={!problem}>{problem}</p>
    </header>
  )
}

function Form({ by, submit, close }) {
  const registers = by === 'register'
  const first = useRef(null)
  useEffect(() => first.current?.focus(), [])

  function send(event) {
    event.preventDefault()
    const { rememberMe, ...input } = Object.fromEntries(new FormData(event.currentTarget))
    submit({ ...input, rememberMe: Boolean(rememberMe) })
  }

  return (
    <form className="fg-row" onSubmit={send} onKeyDown={(e) => { if (e.key === 'Escape') close() }}>
      {registers && <label>Name <input ref={first} name="name" autoComplete="name" required /></label>}
      <label>E-mail <input ref={registers ? null : first} name="email" type="email" autoComplete="username" required /></label>
      <label>Password <input name="password" type="password" autoComplete={registers ? 'new-password' : 'current-password'} required /></label>
      <label className="fg-check"><input name="rememberMe" type="checkbox" /> Stay signed in</label>
      <button type="submit">{registers ? 'Create account' : 'Continue'}</button>
      <button type="button" className="fg-quiet" onClick={close}>Cancel</button>
    </form>
  )
}

const factors = {
  PASSWORD: { label: 'Password', input: { type: 'password', autoComplete: 'current-password' }, other: 'Use the password' },
  TOTP: {
    label: 'Code from your authenticator app', input: { inputMode: 'numeric', autoComplete: 'one-time-code' },
    other: 'Use the authenticator app',
  },
  RECOVERY_CODE: { label: 'Recovery code', input: { autoComplete: 'off' }, other: 'Use a recovery code' },
}

/** Asks for the second factor of a sign-in, or for a proof of identity before an operation is sent again. */
function ProofForm({ field, methods, submit, cancel }) {
  const [chosen, choose] = useState(methods[0])
  const { label, input } = factors[chosen]
  const before = useRef(document.activeElement)
  const element = useRef(null)
  useEffect(() => element.current?.focus(), [chosen])
  useEffect(() => () => { if (before.current?.isConnected) before.current.focus() }, [])

  function send(event) {
    event.preventDefault()
    submit(chosen, new FormData(event.currentTarget).get('proof'))
  }

  return (
    <form className="fg-row" onSubmit={send} onKeyDown={(e) => { if (e.key === 'Escape') cancel() }}>
      <b>{field === 'completeSignIn' ? 'Your account has a second factor.' : 'Confirm your identity to run this operation.'}</b>
      <label key={chosen}>{label} <input ref={element} name="proof" required {...input} /></label>
      <button type="submit">{field === 'completeSignIn' ? 'Sign in' : 'Confirm'}</button>
      {methods.filter((method) => method !== chosen).map((method) => (
        <button key={method} type="button" onClick={() => choose(method)}>{factors[method].other}</button>
      ))}
      <button type="button" className="fg-quiet" onClick={cancel}>Cancel</button>
    </form>
  )
}
