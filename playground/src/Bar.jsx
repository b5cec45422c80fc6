import { useEffect, useId, useRef, useState } from 'react'
import { session, useSession } from './useSession.js'

/**
 * The bar above the editor shows the signed-in user, and signs in and out. demoUsers is empty
 * unless the server runs a demo.
 */
export function Bar({ demoUsers }) {
  const { settled, user, asksToSignIn } = useSession()
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
  }, [busy, user, form])

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
        {form && <Form key={form} by={form} submit={(input) => attempt(() => session.signIn(form, input))} close={close} />}
      </div>
      <p className="fg-hint" role="status" hidden={!(asksToSignIn && settled && !user)}>This operation needs an account: sign in above.</p>
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
