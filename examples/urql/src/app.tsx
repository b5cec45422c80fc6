import { useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { Provider, useQuery } from 'urql'
import { Accounts } from './accounts'
import { newClient, refusal, session } from './client'
import { Devices } from './devices'
import { Problem } from './form'
import { ViewerDocument } from './operations'
import { Password } from './password'
import { Profile } from './profile'
import { Register, SignIn } from './sign-in'

export function App() {
  const { status, sessionId, unreachable } = useSyncExternalStore(session.subscribe, session.getState)
  const client = useMemo(newClient, [sessionId])
  useEffect(() => { void session.start() }, [])
  return (
    <Provider value={client}>
      {unreachable && <p role="status" className="banner">The server does not answer. It is tried again.</p>}
      {status === 'starting' && <main><p>One moment …</p></main>}
      {status === 'signed-out' && <SignedOut />}
      {status === 'signed-in' && <SignedIn key={sessionId} />}
    </Provider>
  )
}

function SignedOut() {
  const page = usePage()
  return <main>{page === 'register' ? <Register /> : <SignIn />}</main>
}

function SignedIn() {
  const page = usePage()
  const [stuck, setStuck] = useState(false)
  const [{ data, error }, ask] = useQuery({ query: ViewerDocument })
  const lookAgain = () => ask({ requestPolicy: 'network-only' })
  const maySeeAccounts = data?.permissions?.some((p) => p.field === 'Query.users' && p.allowed) ?? false
  const pages = [['profile', 'Profile'], ['devices', 'Devices'], ['password', 'Password'], ...(maySeeAccounts ? [['accounts', 'Accounts']] : [])]
  const current = pages.some(([name]) => name === page) ? page : 'profile'
  const signOut = async () => { setStuck(!(await session.signOut())) }
  return (
    <>
      <header>
        <nav aria-label="Pages">
          {pages.map(([name, title]) => <a key={name} href={`#${name}`} aria-current={name === current ? 'page' : undefined}>{title}</a>)}
        </nav>
        <button onClick={signOut}>Sign out</button>
      </header>
      <main>
        {stuck && <p role="alert" className="problem">The server does not answer, so you are still signed in.</p>}
        <Problem refusal={refusal(error)} />
        {current === 'profile' && data?.me && <Profile me={data.me} />}
        {current === 'devices' && <Devices lookAgain={lookAgain} />}
        {current === 'password' && <Password />}
        {current === 'accounts' && <Accounts lookAgain={lookAgain} />}
      </main>
    </>
  )
}

/** The page that the address names behind its #. */
function usePage() {
  return useSyncExternalStore(
    (listener) => {
      addEventListener('hashchange', listener)
      return () => removeEventListener('hashchange', listener)
    },
    () => location.hash.slice(1),
  )
}
