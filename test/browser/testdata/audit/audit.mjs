// Prints what the audit of graphql-http finds out about the server at the URL that is its one argument: a line
// a finding that is not "ok", with its status, a tab, the id of the audit and its name.
import { auditServer } from 'graphql-http';

const results = await auditServer({ url: process.argv[2] });
for (const { id, name, status } of results) {
  if (status !== 'ok') console.log(`${status}\t${id}\t${name}`);
}
console.log(`audits\t${results.length}`);
