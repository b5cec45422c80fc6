// Says of documents whether graphql-js takes them for valid under a schema. Its arguments are the file of the schema
// and one of a JSON array of documents; it adds the introspection queries of graphql-js itself, and prints an array
// of { document, operation, mistake } for each different one: its first operation's name, if it has one, and the
// first mistake's message, which is "" if there is none.
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
