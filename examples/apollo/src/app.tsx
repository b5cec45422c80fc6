import { ApolloProvider, useQuery } from '@apollo/client/react'
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { Accounts } from './accounts'
import { newClient, session, toFailure } from './client'
import { Devices } from './devices'
import { ErrorMessage } from './form'
import { ViewerDocument } from './operations'
import { Password } from './password'
import { Profile } from './profile'
import { Security } from './security'
import { Register, SignIn } from './sign-in'
import { StepUpDialog } from './step-up-dialog'

export function App() {
  const { status, sessionId, unreachable } = useSyncExternalStore(session.subscribe, session.getState)
  const client = useMemo(newClient, [sessionId])
  useEffect(() => { void session.start() }, [])
  return (
    <ApolloProvider client={client}>
      {unreachable && <p role="status" className="banner">The server does not answer. Retrying …</p>}
      {status === 'starting' && <main><p>Loading …</p></main>}
      {status === 'signed-out' && <SignedOut />}
      {status === 'signed-in' && <SignedIn key={sessionId} />}
    </ApolloProvider>
  )
}

function SignedOut() {
  const page = usePage()
  return <main>{page === 'register' ? <Register /> : <SignIn />}</main>
}

function SignedIn() {
  const page = usePage()
  const [signOutFailed, setSignOutFailed] = useState(false)
  const { data, error } = useQuery(ViewerDocument)
  const canSeeAccounts = data?.permissions?.some((p) => p.field === 'Query.users' && p.allowed) ?? false
  const pages = [['profile', 'Profile'], ['devices', 'Devices'], ['password', 'Password'], ['security', 'Security'], ...(canSeeAccounts ? [['accounts', 'Accounts']] : [])]
  const current = pages.some(([name]) => name === page) ? page : 'profile'
  const signOut = async () => { setSignOutFailed(!(await session.signOut())) }
  return (
    <>
      <header>
        <nav aria-label="Pages">
          {pages.map(([name, title]) => <a key={name} href={`#${name}`} aria-current={name === current ? 'page' : undefined}>{title}</a>)}
        </nav>
        <button onClick={signOut}>Sign out</button>
      </header>
      <main>
        {signOutFailed && <p role="alert" className="problem">The server did not answer, so you are still signed in.</p>}
        <ErrorMessage failure={toFailure(error)} />
        {current === 'profile' && data?.me && <Profile me={data.me} />}
        {current === 'devices' && <Devices />}
        {current === 'password' && <Password />}
        {current === 'security' && <Security />}
        {current === 'accounts' && <Accounts />}
      </main>
      <StepUpDialog />
    </>
  )
}

/** Returns the page that the URL's fragment names. */
function usePage() {
  return useSyncExternalStore(
    (listener) => {
      addEventListener('hashchange', listener)
      return () => removeEventListener('hashchange', listener)
    },
    () => location.hash.slice(1),
  )
}
