// Runs the audit of graphql-http on the server at a URL, its only argument. It prints one line for each result other than
// "ok": the status, the ID of the audit and its name, separated by tabs.
import { auditServer } from 'graphql-http';

const results = await auditServer({ url: process.argv[2] });
for (const { id, name, status } of results) {
  if (status !== 'ok') console.log(`${status}\t${id}\t${name}`);
}
console.log(`audits\t${results.length}`);
