import { useEffect } from 'react'
import { useEditorContext } from '@graphiql/react'

const hint = 'Press Esc, then Tab to leave the editor.'

/**
 * Gives GraphiQL's editors a name for screen readers, and a way to leave them with the keyboard. Tab indents in an editor. After Esc
 * it moves the focus, as CodeMirror's accessibility guide advises. The component renders a hint on that.
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
  if (editor.getOption('readOnly')) { // Tab has nothing to indent
    const reveal = () => editor.getWrapperElement().closest('.graphiql-response').scrollIntoView({ block: 'nearest' }) // on a phone it may be outside of the viewport
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
