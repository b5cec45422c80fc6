// The compared operations, authorized by a schema directive as in the guide of GraphQL Tools.
import { getDirective, MapperKind, mapSchema } from '@graphql-tools/utils';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { defaultFieldResolver, GraphQLError } from 'graphql';

const typeDefs = `
  directive @auth(role: Role = USER) on FIELD_DEFINITION

  enum Role { USER STAFF ADMIN }

  type Query {
    me: User @auth
    user(id: ID!): User @auth(role: STAFF)
  }
  type Mutation {
    login(input: LoginInput!): AuthPayload!
  }
  type User { id: ID!  name: String!  email: String!  role: Role! }
  input LoginInput { email: String!  password: String! }
  type AuthPayload { accessToken: String!  tokenType: String! }
`;

const resolvers = {
  Query: {
    me: (_, __, { viewer }) => viewer,
    user: (_, { id }, { users }) => users.find(id),
  },
  Mutation: {
    async login(_, { input }, { users }) {
      const accessToken = await users.login(input.email, input.password);
      if (!accessToken) throw failure('the e-mail address or the password is wrong', 'INVALID_CREDENTIALS');
      return { accessToken, tokenType: 'Bearer' };
    },
  },
};

const roles = ['USER', 'STAFF', 'ADMIN']; // each includes those before it

const failure = (message, code) => new GraphQLError(message, { extensions: { code } });

function withAuth(schema) {
  return mapSchema(schema, {
    [MapperKind.OBJECT_FIELD](field) {
      const rule = getDirective(schema, field, 'auth')?.[0];
      if (!rule) return field;
      const { resolve = defaultFieldResolver } = field;
      field.resolve = (source, args, context, info) => {
        if (!context.viewer) throw failure('sign in first', 'UNAUTHENTICATED');
        if (roles.indexOf(context.viewer.role) < roles.indexOf(rule.role)) throw failure('not with your role', 'FORBIDDEN');
        return resolve(source, args, context, info);
      };
      return field;
    },
  });
}

export const schema = withAuth(makeExecutableSchema({ typeDefs, resolvers }));
