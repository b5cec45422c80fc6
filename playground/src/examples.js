// The examples of examples.graphql: each begins with its title as a comment, and its variables as another.

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
