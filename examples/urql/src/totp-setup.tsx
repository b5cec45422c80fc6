import { Field, Form, type Failure } from './form'
import { QRCode } from './qr-code'

interface TotpSetupProps {
  /** The content of the QR code. */
  uri: string
  /** The same secret, to type. */
  secret: string
  enable: (code: string) => Promise<Failure | undefined>
  cancel: () => void
}

/** Shows the secret for an authenticator app, and asks for the app's first code. */
export function TotpSetup({ uri, secret, enable, cancel }: TotpSetupProps) {
  return (
    <section>
      <h2>Set up an authenticator app</h2>
      <ol>
        <li>Open an authenticator app on your phone, and scan this code:
          <QRCode text={uri} label="QR code for the authenticator app" />
          <p>Or type this key into the app: <code className="secret">{secret.match(/.{1,4}/g)?.join(' ')}</code></p>
        </li>
        <li>Enter the code that the app shows:
          <Form button="Turn on" submit={({ code = '' }) => enable(code)}>
            {(errorOf) => <Field label="Code from the app" name="code" autoComplete="one-time-code" inputMode="numeric" error={errorOf('code')} />}
          </Form>
        </li>
      </ol>
      <p><button type="button" className="quiet" onClick={cancel}>Cancel</button></p>
    </section>
  )
}
