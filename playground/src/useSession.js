import { useSyncExternalStore } from 'react'
import { createSession } from './session.js'

export const session = createSession()

/** Who is signed in: {settled, user, token}. */
export const useSession = () => useSyncExternalStore(session.subscribe, session.state)
