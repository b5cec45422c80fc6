import { useState } from 'react'
import { createRoot } from 'react-dom/client'
import { PluginContextProvider, usePluginStore } from '@graphiql/react'
import { GraphiQL } from 'graphiql'
import 'graphiql/style.css'
import './style.css'
import { Bar } from './Bar.jsx'
import { Editors } from './Editors.jsx'
import { examplesPlugin } from './Examples.jsx'
import { examples } from './examples.js'
import { session } from './useSession.js'

const people = JSON.parse(document.getElementById('people').textContent) ?? []
const plugins = [examplesPlugin]

session.refresh()

// GraphiQL hides what stands beside the editor if nothing is chosen when it is first drawn, and its own visiblePlugin is
// chosen after that. So it is chosen here, and GraphiQL drawn then.
function Editor() {
  const chosen = usePluginStore().visiblePlugin !== null
  const [drawn, draw] = useState(false)
  if (chosen && !drawn) draw(true)
  return drawn && (
    <GraphiQL
      fetcher={session.fetcher}
      plugins={plugins}
      visiblePlugin={examplesPlugin}
      defaultQuery={examples[0].query}
      defaultEditorToolsVisibility="variables"
      shouldPersistHeaders={false}
    >
      <GraphiQL.Logo><Editors /></GraphiQL.Logo>
    </GraphiQL>
  )
}

createRoot(document.getElementById('root')).render(
  <>
    <Bar people={people} />
    <main>
      <PluginContextProvider plugins={plugins} visiblePlugin={examplesPlugin}>
        <Editor />
      </PluginContextProvider>
    </main>
  </>,
)
