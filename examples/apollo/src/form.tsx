import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from 'react'

/** That something was not done, or not all of it. */
export interface Refusal {
  /** What the server said; null if it did not answer. */
  readonly errors: readonly { readonly message: string; readonly extensions?: Record<string, unknown> }[] | null
}

interface FieldError { readonly name: string; readonly message: string }

/** Whether the server gave this as a reason. */
export const refusedBecause = (refusal: Refusal | undefined, code: string) => refusal?.errors?.some((e) => e.extensions?.code === code) ?? false

/** A refusal in words for people. */
export function explain({ errors }: Refusal): string {
  if (!errors) return 'The server does not answer. Look whether you are online, and try again.'
  const { code, retryAfter } = errors[0]?.extensions ?? {}
  const later = typeof retryAfter === 'number' ? ` Try again in ${retryAfter} seconds.` : ' Try again in a while.'
  switch (code) {
    case 'INVALID_CREDENTIALS': return 'The e-mail address or the password is wrong.'
    case 'EMAIL_TAKEN': return 'This address has an account already.'
    case 'EMAIL_NOT_VERIFIED': return 'Open the link in the mail that we have sent you, and sign in then.'
    case 'FORBIDDEN': return 'You may not see or do this.'
    case 'UNAUTHENTICATED': return 'You are not signed in any more.'
    case 'NOT_FOUND': return 'It is not there any more.'
    case 'RATE_LIMITED': return `That was tried too often.${later}`
    case 'OVERLOADED': case 'UNAVAILABLE': return `The server is busy, and nothing was done.${later}`
    default: return 'Something went wrong.'
  }
}

export function Problem({ refusal }: { refusal: Refusal | undefined }) {
  return refusal ? <p role="alert" className="problem">{explain(refusal)}</p> : null
}

interface FormProps {
  /** What the button says. */
  button: string
  /** What is said when it is done. */
  done?: string
  /** Gets what was typed, by name. */
  submit: (values: Record<string, string>) => Promise<Refusal | undefined>
  children: (errorOf: (name: string) => string | undefined) => ReactNode
}

/** A form that is sent once at a time, and says what came of it. The server's errors about a value stand at its field. */
export function Form({ button, done, submit, children }: FormProps) {
  const [state, setState] = useState<'idle' | 'busy' | 'done' | Refusal>('idle')
  const element = useRef<HTMLFormElement>(null)
  const refusal = typeof state === 'object' ? state : undefined
  const fields = (refusal?.errors?.find((e) => e.extensions?.code === 'BAD_USER_INPUT')?.extensions?.fields ?? []) as FieldError[]
  const errorOf = (name: string) => fields.filter((f) => f.name === name).map((f) => `It ${f.message}.`).join(' ') || undefined
  useEffect(() => {
    if (refusal) element.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus()
  }, [refusal])

  async function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    if (state === 'busy') return
    const form = event.currentTarget
    setState('busy')
    const refused = await submit(Object.fromEntries(new FormData(form)) as Record<string, string>)
    setState(refused ?? 'done')
    if (!refused && done) form.reset()
  }

  return (
    <form ref={element} onSubmit={send}>
      {children(errorOf)}
      {refusal && fields.length === 0 && <Problem refusal={refusal} />}
      <button aria-disabled={state === 'busy'}>{button}</button>
      <p role="status">{state === 'busy' ? 'One moment …' : state === 'done' ? done : ''}</p>
    </form>
  )
}

interface FieldProps {
  label: string
  name: string
  type?: string
  autoComplete: string
  defaultValue?: string
  error: string | undefined
}

export function Field({ label, error, ...input }: FieldProps) {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} required aria-invalid={error !== undefined} aria-describedby={error && `${id}-error`} {...input} />
      {error && <p id={`${id}-error`} className="problem">{error}</p>}
    </div>
  )
}
