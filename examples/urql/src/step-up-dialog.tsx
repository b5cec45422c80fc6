import { useEffect, useId, useRef, useSyncExternalStore } from 'react'
import { session } from './client'
import { FactorForm, knownFactors } from './factor-form'
import { getQuestion, subscribe, type Question } from './step-up'

/** The dialog that asks the user to confirm their identity, while the session needs it. */
export function StepUpDialog() {
  const question = useSyncExternalStore(subscribe, getQuestion)
  useEffect(() => () => getQuestion()?.answer(false), []) // the session has ended
  return question ? <Dialog {...question} /> : null
}

function Dialog({ methods, answer }: Question) {
  const element = useRef<HTMLDialogElement>(null)
  const title = useId()
  useEffect(() => {
    const dialog = element.current
    dialog?.showModal()
    return () => dialog?.close() // returns the focus
  }, [])
  const known = knownFactors(methods)
  return (
    <dialog ref={element} aria-labelledby={title} onCancel={(event) => { event.preventDefault(); answer(false) }}>
      <h2 id={title}>{known.length > 0 ? 'Confirm that it is you' : 'Set up an authenticator app'}</h2>
      {known.length > 0 ? (
        <>
          <p>This step needs a recent proof of your identity.</p>
          <FactorForm methods={known} button="Confirm" submit={async (factor, proof) => {
            const errors = await session.confirmIdentity(factor, proof)
            if (errors !== undefined) return { errors }
            answer(true)
          }} />
        </>
      ) : (
        <>
          <p>This step needs a second factor, and your account has none yet.</p>
          <button type="button" onClick={() => { location.hash = 'security'; answer(false) }}>Go to Security</button>
        </>
      )}
      <p><button type="button" className="quiet" onClick={() => answer(false)}>Cancel</button></p>
    </dialog>
  )
}
