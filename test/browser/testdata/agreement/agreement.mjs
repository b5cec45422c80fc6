// Validates documents with graphql-js. The arguments are a schema file and a file with a JSON array of documents. It adds
// the introspection queries of graphql-js, and prints an array with one { document, operation, mistake } for each distinct
// document: the name of its first operation, if any, and the message of its first error, or "".
import { readFileSync } from 'node:fs';
import { buildSchema, getIntrospectionQuery, parse, validate } from 'graphql';

const [schemaFile, documentsFile] = process.argv.slice(2);
const schema = buildSchema(readFileSync(schemaFile, 'utf8'));
const documents = new Set(JSON.parse(readFileSync(documentsFile, 'utf8')));
documents.add(getIntrospectionQuery());
documents.add(
  getIntrospectionQuery({
    specifiedByUrl: true,
    directiveIsRepeatable: true,
    schemaDescription: true,
    inputValueDeprecation: true,
    oneOf: true,
  }),
);

function verdict(document) {
  let parsed;
  try {
    parsed = parse(document);
  } catch (error) {
    return { document, mistake: error.message };
  }
  const operation = parsed.definitions.find(({ kind }) => kind === 'OperationDefinition');
  const [mistake] = validate(schema, parsed);
  return { document, operation: operation?.name?.value, mistake: mistake?.message ?? '' };
}

console.log(JSON.stringify([...documents].map(verdict)));
