import { useEffect } from 'react'
import { useEditorContext } from '@graphiql/react'

const hint = 'Press Esc, then Tab to leave the editor.'

/**
 * What GraphiQL's editors lack for the keyboard and for screen readers: a name, and a way out. Tab indents in an editor; after Esc
 * it moves the focus, as CodeMirror's accessibility guide advises. It renders the hint that says so.
 */
export function Editors() {
  const { queryEditor, variableEditor, headerEditor, responseEditor } = useEditorContext({ nonNull: true })
  useEffect(() => adapt(queryEditor, 'Query editor'), [queryEditor])
  useEffect(() => adapt(variableEditor, 'Variables editor'), [variableEditor])
  useEffect(() => adapt(headerEditor, 'Headers editor'), [headerEditor])
  useEffect(() => adapt(responseEditor, 'Answer'), [responseEditor])
  return <span id="fg-keys" className="fg-keys">{hint}</span>
}

// In a key map of CodeMirror, false leaves a key to the browser.
const tabLeaves = { Tab: false, 'Shift-Tab': false }

function adapt(editor, name) {
  if (!editor) return
  const input = editor.getInputField()
  input.setAttribute('aria-label', name)
  if (editor.getOption('readOnly')) { // there is nothing to indent
    const reveal = () => editor.getWrapperElement().closest('.graphiql-response').scrollIntoView({ block: 'nearest' }) // it may be below a phone's fold
    editor.addKeyMap(tabLeaves)
    editor.on('change', reveal)
    return () => {
      editor.removeKeyMap(tabLeaves)
      editor.off('change', reveal)
    }
  }
  input.setAttribute('aria-describedby', 'fg-keys')
  const stay = () => editor.removeKeyMap(tabLeaves)
  const onKeyDown = (_, event) => {
    if (['Tab', 'Shift'].includes(event.key)) return
    stay()
    if (event.key === 'Escape') editor.addKeyMap(tabLeaves)
  }
  editor.on('keydown', onKeyDown)
  editor.on('blur', stay)
  return () => {
    stay()
    editor.off('keydown', onKeyDown)
    editor.off('blur', stay)
  }
}
