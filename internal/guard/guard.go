// Package guard decides what reaches gqlgen at all.
//
// [POST] and [GET] are the two transports: JSON by POST, and queries in a URL.
// They read strictly and answer as "GraphQL over HTTP" says
// (https://graphql.github.io/graphql-over-http/draft/). [DocumentCache] keeps
// parsed documents without keeping anybody's password. [Documents] holds each
// document to [Limits] before it is parsed, and [ValidationRules] give up on
// those with too many mistakes, so that no request costs much more than another.
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
// Two promises hold for everything here. No answer and no error repeats a value
// that a client sent: a malformed body may be a login with a typing mistake. And
// every error goes through the server's error presenter, in the form that
// [Error] makes, so that one table shapes them all. The presenter must not
// expect an operation in its context: a request that was refused has none.
//
// The package knows GraphQL and HTTP, and of the schema only the directive
// @credential, which marks the fields that take a password or a token: an
// operation has one of them at most. It imports nothing of this module.
package guard
