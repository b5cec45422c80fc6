// Parses examples.graphql. Each example starts with a comment that is its title, and may have a
// second one with its variables.

import text from '../examples.graphql'

export const examples = text.trim().split(/\n\n(?=#)/).map((block) => {
  const lines = block.split('\n')
  const comments = lines.filter((line) => line.startsWith('# ')).map((line) => line.slice(2))
  const query = lines.slice(comments.length).join('\n')
  const [title, ...variables] = comments
  return { title, query, kind: query.split(/\W/, 1)[0], variables: variables.length ? pretty(variables.join('\n')) : '' }
})

function pretty(json) {
  return JSON.stringify(JSON.parse(json), null, 2)
}
