import { useSyncExternalStore } from 'react'
import { createSession } from './session.js'

export const session = createSession()

/**
 * Returns the session's state: {settled, user, token, asksToSignIn}. asksToSignIn means that the
 * last response in the editor requires a signed-in user.
 */
export const useSession = () => useSyncExternalStore(session.subscribe, session.state)
