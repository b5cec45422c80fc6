// Connects the session, which needs a proof of identity, to the dialog that asks the user for it.

import type { StepUp } from './session'

export interface Question extends StepUp {
  /** Closes the dialog. `confirmed`: the user has confirmed their identity. */
  readonly answer: (confirmed: boolean) => void
}

let question: Question | undefined
const listeners = new Set<() => void>()

function setQuestion(next: Question | undefined) {
  question = next
  for (const listener of listeners) listener()
}

/** Opens the dialog. The session does this for one question at a time. */
export function askUser(required: StepUp): Promise<boolean> {
  return new Promise((resolve) => {
    const own: Question = {
      ...required,
      // A late answer, from a request that the user has cancelled, must not close the next question.
      answer: (confirmed) => {
        if (question !== own) return
        setQuestion(undefined)
        resolve(confirmed)
      },
    }
    setQuestion(own)
  })
}

/** Returns the question that the dialog shows, if it is open. */
export const getQuestion = () => question

export function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => { listeners.delete(listener) }
}
