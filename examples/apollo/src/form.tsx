import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from 'react'

/** A request that failed, or failed in part. */
export interface Failure {
  /** The server's errors; null if it did not answer. */
  readonly errors: readonly { readonly extensions?: Record<string, unknown> }[] | null
}

interface FieldError { readonly name: string; readonly message: string }

/** Reports whether one of the server's errors has this code. */
export const hasErrorCode = (failure: Failure | undefined, code: string) => failure?.errors?.some((e) => e.extensions?.code === code) ?? false

/** Returns the second factors that the sign-in accepts if it failed with SECOND_FACTOR_REQUIRED, or undefined. */
export const secondFactorMethods = (failure: Failure | undefined) =>
  failure?.errors?.find((e) => e.extensions?.code === 'SECOND_FACTOR_REQUIRED')?.extensions?.methods as readonly string[] | undefined

/** Returns the message to show for a failure. The messages by error code replace the default ones. */
export function errorText({ errors }: Failure, messages: Record<string, string> = {}): string {
  if (!errors) return 'The server does not answer. Check your connection and try again.'
  const { code, retryAfter } = errors[0]?.extensions ?? {}
  const message = messages[String(code)]
  if (message) return message
  const later = typeof retryAfter === 'number' ? ` Try again in ${retryAfter} seconds.` : ' Try again later.'
  switch (code) {
    case 'INVALID_CREDENTIALS': return 'The e-mail address or the password is wrong.'
    case 'EMAIL_TAKEN': return 'An account with this address already exists.'
    case 'EMAIL_NOT_VERIFIED': return 'Open the link in the mail that we sent you, then sign in.'
    case 'FORBIDDEN': return 'You do not have permission to do this.'
    case 'STEP_UP_REQUIRED': return 'You did not confirm your identity, so nothing was changed.'
    case 'SECOND_FACTOR_REQUIRED': return 'This app does not support the second factor of your account.'
    case 'FACTORS_UNAVAILABLE': return 'This server does not offer authenticator apps.'
    case 'INVALID_TOKEN': return 'This took too long. Start again.'
    case 'UNAUTHENTICATED': return 'You are no longer signed in. Sign in again.'
    case 'NOT_FOUND': return 'This no longer exists.'
    case 'RATE_LIMITED': return `Too many attempts.${later}`
    case 'OVERLOADED': case 'UNAVAILABLE': return `The server is busy. Nothing was changed.${later}`
    default: return 'Something went wrong. Try again.'
  }
}

export function ErrorMessage({ failure, messages }: { failure: Failure | undefined; messages?: Record<string, string> | undefined }) {
  return failure ? <p role="alert" className="problem">{errorText(failure, messages)}</p> : null
}

interface FormProps {
  /** The text of the button. */
  button: string
  /** The message after success. */
  done?: string
  /** Messages by error code, which replace the default ones. */
  messages?: Record<string, string>
  /** Sends the request. Its argument is the form's values by field name. Returns undefined on success. */
  submit: (values: Record<string, string>) => Promise<Failure | undefined>
  children: (errorOf: (name: string) => string | undefined) => ReactNode
}

/** A form that sends one request at a time and shows the result. Input errors of the server are shown at their fields. */
export function Form({ button, done, messages, submit, children }: FormProps) {
  const [state, setState] = useState<'idle' | 'busy' | 'done' | Failure>('idle')
  const element = useRef<HTMLFormElement>(null)
  const failure = typeof state === 'object' ? state : undefined
  const fields = (failure?.errors?.find((e) => e.extensions?.code === 'BAD_USER_INPUT')?.extensions?.fields ?? []) as FieldError[]
  const errorOf = (name: string) => fields.filter((f) => f.name === name).map((f) => `It ${f.message}.`).join(' ') || undefined
  useEffect(() => {
    if (failure) element.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus()
  }, [failure])

  async function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    if (state === 'busy') return
    const form = event.currentTarget
    setState('busy')
    const failure = await submit(Object.fromEntries(new FormData(form)) as Record<string, string>)
    setState(failure ?? 'done')
    if (!failure && done) form.reset()
  }

  return (
    <form ref={element} onSubmit={send}>
      {children(errorOf)}
      {failure && fields.length === 0 && <ErrorMessage failure={failure} messages={messages} />}
      <button aria-disabled={state === 'busy'}>{button}</button>
      <p role="status">{state === 'busy' ? 'Loading …' : state === 'done' ? done : ''}</p>
    </form>
  )
}

interface FieldProps {
  label: string
  name: string
  type?: string
  autoComplete: string
  autoFocus?: boolean
  inputMode?: 'numeric'
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
