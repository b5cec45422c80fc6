import { useSyncExternalStore } from 'react'
import { createSession } from './session.js'

export const session = createSession()

/**
 * Returns the session's state: {settled, user, token, asksToSignIn, asksToEnrol, question}. asksToSignIn and asksToEnrol mean that
 * the last response in the editor requires a signed-in user, or a second factor. question is the factor that the user is asked for
 * now, as {field, methods}, or null.
 */
export const useSession = () => useSyncExternalStore(session.subscribe, session.state)
