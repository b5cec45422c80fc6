// Writes src/operations.ts: the types of src/operations.graphql, by GraphQL Code Generator. `npm run dev` and `npm run build` run it first,
// so the file is not committed: the schema and the operations are the truth, and a third copy could only be out of date.
//
// In an app of your own, put the schema where you like, and its path below.

import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { codegen } from '@graphql-codegen/core'
import * as typedDocumentNode from '@graphql-codegen/typed-document-node'
import * as operations from '@graphql-codegen/typescript-operations'
import { parse } from 'graphql'

const schema = new URL('../../schema.graphqls', import.meta.url)
const documents = new URL('src/operations.graphql', import.meta.url)
const filename = fileURLToPath(new URL('src/operations.ts', import.meta.url))

const code = await codegen({
  filename,
  schema: parse(await readFile(schema, 'utf8')), // @auth and its like are declared there, and mean nothing here
  documents: [{ location: fileURLToPath(documents), document: parse(await readFile(documents, 'utf8')) }],
  plugins: [{ operations: {} }, { typedDocumentNode: {} }],
  pluginMap: { operations, typedDocumentNode },
  config: { scalars: { ID: 'string', Time: 'string' }, enumType: 'string-literal', useTypeImports: true, documentMode: 'documentNode' },
})
await writeFile(filename, `// Made by generate.mjs from operations.graphql.\n${code}`)
