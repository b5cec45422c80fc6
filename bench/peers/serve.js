// node serve.js apollo|mercurius tutorial|tuned: answers POST /graphql on 127.0.0.1:PORT.
//
// "tutorial" is the setup of the libraries' first pages; "tuned" adds the advice of their pages on production.
import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { ApolloServer } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import { startStandaloneServer } from '@apollo/server/standalone';
import { fastifyApolloDrainPlugin, fastifyApolloHandler } from '@as-integrations/fastify';
import Fastify from 'fastify';
import mercurius from 'mercurius';
import { openUsers } from './users.js';
import { schema } from './schema.js';

const [library, form] = process.argv.slice(2);
const tuned = form === 'tuned';
const listen = { host: '127.0.0.1', port: Number(process.env.PORT) };

const servers = {
  async apollo(context) {
    if (!tuned) {
      await startStandaloneServer(new ApolloServer({ schema }), { listen, context: ({ req }) => context(req) });
      return;
    }
    const app = Fastify();
    const apollo = new ApolloServer({
      schema,
      introspection: false,
      plugins: [fastifyApolloDrainPlugin(app), ApolloServerPluginLandingPageDisabled()],
    });
    await apollo.start();
    app.post('/graphql', fastifyApolloHandler(apollo, { context }));
    await app.listen(listen);
  },

  async mercurius(context) {
    const app = Fastify();
    app.register(mercurius, { schema, context, ...(tuned && { jit: 1, graphiql: false }) });
    await app.listen(listen);
  },
};

if (tuned && cluster.isPrimary) {
  for (let i = 0; i < availableParallelism(); i++) cluster.fork();
} else {
  const users = openUsers({ tuned });
  await servers[library](async (request) => ({ users, viewer: await users.fromHeader(request.headers.authorization) }));
}
