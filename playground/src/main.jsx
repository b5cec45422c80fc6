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

const demoUsers = JSON.parse(document.getElementById('demo-users').textContent) ?? []
const plugins = [examplesPlugin]

session.refresh()

// GraphiQL hides the panel beside the editor if no plugin is visible at its first render, and it
// applies its own visiblePlugin after that. So this selects the plugin first, and renders GraphiQL
// then.
function Editor() {
  const selected = usePluginStore().visiblePlugin !== null
  const [isRendered, render] = useState(false)
  if (selected && !isRendered) render(true)
  return isRendered && (
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
    <Bar demoUsers={demoUsers} />
    <main>
      <PluginContextProvider plugins={plugins} visiblePlugin={examplesPlugin}>
        <Editor />
      </PluginContextProvider>
    </main>
  </>,
)
