// Package guard validates and limits GraphQL requests before gqlgen executes them.
//
// [POST] and [GET] are the two transports: JSON in the body of a POST, and queries in a URL. They
// parse strictly and answer as "GraphQL over HTTP" specifies
// (https://graphql.github.io/graphql-over-http/draft/). [DocumentCache] caches parsed documents
// without storing passwords. [Documents] checks each document against [Limits] before it is parsed,
// and [ValidationRules] bound the number of errors. So no request costs much more than another.
//
//	cache := guard.NewDocumentCache()
//	srv := handler.New(es)
//	documents := &guard.Documents{Cache: cache}
//	srv.AddTransport(guard.GET{Documents: documents})
//	srv.AddTransport(guard.POST{})
//	srv.Use(documents)
//	srv.SetParserTokenLimit(guard.DefaultLimits.Tokens)
//	srv.SetQueryCache(cache)
//	srv.SetValidationRulesFn(guard.ValidationRules(introspection))
//	srv.SetDisableSuggestion(!introspection)
//
// Two guarantees hold for the whole package. No answer and no error repeats a value that a client
// sent, because a malformed body may be a login with a typing mistake. And every error goes through
// the server's error presenter, in the form that [Error] makes. The presenter must not expect an
// operation in its context: a rejected request has none.
//
// Of the schema the package knows only the directive @credential. It marks the fields that take a
// password or a token, of which an operation may have one. Apart from fgerr, the package imports
// nothing of this module.
package guard
