import { useSyncExternalStore } from 'react'
import { createSession } from './session.js'

export const session = createSession()

/** Who is signed in: {settled, user, token, asksToSignIn}. The last says whether the answer in the editor needs a signed-in user. */
export const useSession = () => useSyncExternalStore(session.subscribe, session.state)
