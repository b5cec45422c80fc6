import { useEditorContext } from '@graphiql/react'
import { useSession } from './useSession.js'
import { examples } from './examples.js'

// In GraphiQL, a plugin is a panel beside the editor that has its own button.
export const examplesPlugin = { title: 'Examples', icon: Icon, content: Examples }

function Icon(props) {
  return (
    <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5" {...props}>
      <path d="M6 5h11M6 10h11M6 15h11M2.5 5h.01M2.5 10h.01M2.5 15h.01" strokeLinecap="round" />
    </svg>
  )
}

function Examples() {
  const { queryEditor, variableEditor } = useEditorContext({ nonNull: true })
  const { settled, user } = useSession()
  function show({ query, variables }) {
    queryEditor?.setValue(query)
    variableEditor?.setValue(user ? variables.replaceAll('YOUR-ID', user.id) : variables)
    queryEditor?.focus()
  }
  return (
    <section className="fg-examples" aria-labelledby="fg-examples-title">
      <h2 id="fg-examples-title">Examples</h2>
      <p>Choose one, then press the run button or Ctrl+Enter.</p>
      {settled && !user && <p className="fg-hint">You are signed out. Most examples need an account: sign in above.</p>}
      {[['query', 'Queries'], ['mutation', 'Mutations']].map(([kind, title]) => (
        <div key={kind}>
          <h3>{title}</h3>
          <ul>
            {examples.filter((e) => e.kind === kind).map((example) => (
              <li key={example.title}>
                <button type="button" onClick={() => show(example)}>{example.title}</button>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </section>
  )
}
