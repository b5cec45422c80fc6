import { useEffect, useId, useRef, useState } from 'react'
import { session, useSession } from './useSession.js'

/** The bar above the editor: who you are, and how to become somebody else. people are those of a demo, if this is one. */
export function Bar({ people }) {
  const { settled, user, asksToSignIn } = useSession()
  const [form, setForm] = useState(null) // 'login', 'register' or null: none is open
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const opener = useRef(null)
  const who = useRef(null)
  const acted = useRef(false)
  const formId = useId()

  useEffect(() => { if (user) setForm(null) }, [user])

  // What had the focus may be gone with what was done.
  useEffect(() => {
    if (acted.current && !busy && document.activeElement === document.body) who.current?.querySelector('button')?.focus()
  }, [busy, user, form])

  // Nothing is disabled meanwhile, since that would take the focus away.
  async function attempt(what) {
    if (busy) return
    acted.current = true
    setBusy(true)
    setProblem('')
    try {
      await what()
    } catch (error) {
      setProblem(error instanceof TypeError ? 'The server does not answer.' : error.message)
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
        {people.length > 0 && (
          <div className="fg-people" role="group" aria-label="Be one of the demo’s people">
            <span aria-hidden="true">Be</span>
            {people.map(({ name, email, role, password }) => (
              <button
                key={email} type="button" aria-pressed={user?.email === email}
                onClick={() => attempt(() => session.signIn('login', { email, password }))}
              >
                {name} <small>{role}</small>
              </button>
            ))}
          </div>
        )}
        <div className="fg-who" ref={who}>
          {!settled && <span>One moment…</span>}
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
      <button type="submit">{registers ? 'Make the account' : 'Go'}</button>
      <button type="button" className="fg-quiet" onClick={close}>Cancel</button>
    </form>
  )
}
