import { useEffect, useRef, useState } from 'react'

/** Shows new recovery codes. The server never shows them again. */
export function RecoveryCodes({ codes, done }: { codes: readonly string[]; done: () => void }) {
  const [copied, setCopied] = useState(false)
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => heading.current?.focus(), [])
  return (
    <section>
      <h2 ref={heading} tabIndex={-1}>Recovery codes</h2>
      <p>
        Store these codes in a safe place, such as a password manager. Each code signs you in once if you lose your phone.
        They are shown only now, and older codes no longer work.
      </p>
      <ul className="codes">{codes.map((code) => <li key={code}><code>{code}</code></li>)}</ul>
      <p className="actions">
        {navigator.clipboard && ( // browsers have no clipboard for pages on plain http
          <button type="button" onClick={async () => { await navigator.clipboard.writeText(codes.join('\n')); setCopied(true) }}>Copy the codes</button>
        )}
        <button type="button" onClick={done}>I have stored the codes</button>
      </p>
      <p role="status">{copied ? 'Copied.' : ''}</p>
    </section>
  )
}
