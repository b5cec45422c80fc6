package policytest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/graph"
	"fieldgate/internal/auth"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/policy"
	"fieldgate/policytest"
	"fieldgate/policytest/internal/sample"
)

// directive is what runs behind @auth.
type directive = func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool) (any, error)

// A proof that finds nothing proves nothing. Each way to get the enforcement wrong is found, and the field is named.
func TestRunDetectsBrokenEnforcement(t *testing.T) {
	t.Parallel()
	for i, tt := range []struct {
		name string
		want []string // in one complaint, which begins with the first
		way  fault
	}{
		{"nothing is enforced", []string{"Query.mine", "may not have it"}, bypassIf(func(context.Context) bool { return true })},
		{"nothing is enforced through an interface", []string{".text", "may not have it", "entries"}, bypassIf(resolvedVia("Entry"))},
		{"nothing is enforced through a union", []string{"Note.", "may not have it", "findings"}, bypassIf(resolvedVia("Found"))},
		{"nothing is enforced in the answer to a mutation", []string{"Note.", "may not have it", "touch"}, bypassIf(func(ctx context.Context) bool {
			return operation(ctx).Operation.Operation == ast.Mutation && graphql.GetFieldContext(ctx).Object != "Mutation"
		})},
		{"an alias leads around", []string{"Query.mine", "alias"}, bypassIf(func(ctx context.Context) bool {
			field := graphql.GetFieldContext(ctx).Field
			return field.Alias != field.Name
		})},
		{"the name of an open field leads around", []string{"Note.", "alias of another field's name"}, bypassIf(func(ctx context.Context) bool {
			return graphql.GetFieldContext(ctx).Field.Alias == "title"
		})},
		{"a named fragment leads around", []string{"Query.mine", "named fragment"}, bypassIf(func(ctx context.Context) bool {
			return len(operation(ctx).Doc.Fragments) == 1
		})},
		{"a directive leads around", []string{"Query.mine", "@include(if: true)"}, bypassIf(func(ctx context.Context) bool {
			return len(graphql.GetFieldContext(ctx).Field.Directives) > 0
		})},
		{"the second operation is not judged", []string{"Query.mine", "second operation"}, bypassIf(func(ctx context.Context) bool {
			return len(operation(ctx).Doc.Operations) > 1
		})},
		{"only the first of a list is judged", []string{".text", "may not have it"}, bypassIf(func(ctx context.Context) bool {
			index := graphql.GetFieldContext(ctx).Parent.Index
			return index != nil && *index > 0
		})},
		{"a field is judged once, whatever it is called then", []string{"Query.mine", "twice, by two aliases"}, checkOnlyFirstUse()},
		{"a verdict is kept for the rest of the request", []string{"Note.", "may"}, cacheDecisions()},
		{"everything belongs to everybody", []string{"Note.text", "USER may not have it"}, replaceInSchema("@auth(role: STAFF, orOwner: true)", "@auth(orOwner: true)")},
		{"nothing belongs to anybody", []string{"Note.text", "as the owner", "may have it"}, replaceInSchema(", orOwner: true", "")},
		{"two roles beside one another are one", []string{"Note.", "AUDITOR may not have it"}, replaceInSchema("AUDITOR @includes(roles: [USER])", "AUDITOR @includes(roles: [STAFF])")},
		{"a role is not let through", []string{"Task.effort", "STAFF may have it"}, replaceInSchema("effort: Int @auth(role: STAFF)", "effort: Int @auth(role: ADMIN)")},
		{"the role is the token's", []string{"somebody whose role was taken", "may not have it"}, replaceAuth(func(s *server, right directive) directive {
			return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool) (any, error) {
				if _, err := auth.ViewerFrom(ctx).Session(ctx); err == nil && s.policy.Includes(auth.ViewerFrom(ctx).Claims().Role, role) {
					return next(ctx)
				}
				return right(ctx, obj, next, role, orOwner, reportOnly)
			}
		})},
		{"nobody looks whether an account was shut", []string{"Query.mine, as somebody whose account was shut"}, bypassIf(func(ctx context.Context) bool {
			_, err := auth.ViewerFrom(ctx).Session(ctx)
			denied := (*auth.UnauthenticatedError)(nil)
			return errors.As(err, &denied) && denied.Reason == auth.Revoked
		})},
		{"nobody looks whether a token has expired", []string{"Query.mine, as somebody whose token has expired"}, bypassIf(func(ctx context.Context) bool {
			_, err := auth.ViewerFrom(ctx).Session(ctx)
			denied := (*auth.UnauthenticatedError)(nil)
			return errors.As(err, &denied) && denied.Reason == auth.Expired
		})},
		{"the resolver runs before the verdict", []string{"Query.mine", "its resolver ran 1 times, and may have 0 times"}, replaceAuth(func(_ *server, right directive) directive {
			return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool) (any, error) {
				result, err := next(ctx)
				return right(ctx, obj, func(context.Context) (any, error) { return result, err }, role, orOwner, reportOnly)
			}
		})},
		{"to deny somebody costs a statement more", []string{"Query.mine", "cost 1 statements, and may cost 0"}, replaceAuth(func(s *server, right directive) directive {
			return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool) (any, error) {
				result, err := right(ctx, obj, next, role, orOwner, reportOnly)
				if err != nil {
					_, _ = s.store.UserByID(ctx, "nobody")
				}
				return result, err
			}
		})},
		{"the error is there twice", []string{"Query.mine", "2 errors"}, onDenial(func(ctx context.Context, err error) (any, error) {
			graphql.AddError(ctx, err)
			return nil, err
		})},
		{"there is no error", []string{"Query.mine", "0 errors"}, onDenial(func(context.Context, error) (any, error) { return nil, nil })},
		{"there is something instead of null", []string{"Note.text", "may not have it"}, onDenial(func(ctx context.Context, err error) (any, error) {
			if graphql.GetFieldContext(ctx).Field.Name != "text" {
				return nil, err
			}
			graphql.AddError(ctx, err)
			return new("***"), nil
		})},
		{"the error is an internal one", []string{"Query.mine", "INTERNAL"}, onDenial(func(context.Context, error) (any, error) {
			return nil, errors.New("not for you")
		})},
		{"the code is another one", []string{"Query.audit", "want FORBIDDEN"}, rewriteBody(`"FORBIDDEN"`, `"UNAUTHENTICATED"`)},
		{"the error does not say what it takes", []string{"Query.audit", "want FORBIDDEN, requires AUDITOR"}, rewriteBody(`"requires":"[A-Z]+"`, `"requires":""`)},
		{"the error has no path", []string{"Query", "an error that nothing explains"}, rewriteBody(`"path":\[[^\]]*\],`, ``)},
		{"the value is beside the error", []string{"Audit.secret", "the answer holds it"}, rewriteBody(`"code":"FORBIDDEN"`, `"code":"FORBIDDEN","hint":"the secret of the audit"`)},
		{"a sibling is lost", []string{"Note.id", "is null"}, rewriteBody(`"id":"note-[^"]*"`, `"id":null`)},
		{"all that is around is lost", []string{"Note.", "an error that nothing explains"}, rewriteBody(`"note":\{.*$`, `"note":null}}`)},
		{"all data is lost", []string{"Query", "there is no data"}, rewriteBody(`"data":.*\}$`, `"data":null}`)},
	} {
		if i%8 != 0 && !dbtest.Exhaustive() {
			continue // each row takes a whole proof
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := runUntilReported(t, &tt.way, tt.want); !got.found {
				t.Errorf("no complaint has %q; there were %d, such as %.1000s", tt.want, len(got.messages), strings.Join(got.messages, "\n"))
			}
		})
	}
}

// runUntilReported proves a server that is wrong, until a complaint is the wanted one.
func runUntilReported(t *testing.T, wrong *fault, want []string) *reportRecorder {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &reportRecorder{ctx: ctx, cancel: cancel, want: want}
	policytest.Run(r, startServer(t, dbtest.SQLite(t), wrong).app())
	return r
}

// reportRecorder is what a proof said, of which nothing fails the test.
type reportRecorder struct {
	ctx      context.Context
	cancel   func()
	want     []string
	messages []string
	found    bool
}

func (*reportRecorder) Helper()                    {}
func (*reportRecorder) Logf(string, ...any)        {}
func (r *reportRecorder) Context() context.Context { return r.ctx }

func (r *reportRecorder) Errorf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.messages = append(r.messages, text)
	if first, _, _ := strings.Cut(text, "\n"); !strings.Contains(first, r.want[0]) {
		return
	}
	for _, part := range r.want {
		if !strings.Contains(text, part) {
			return
		}
	}
	r.found = true
	r.cancel()
}

func operation(ctx context.Context) *graphql.OperationContext {
	return graphql.GetOperationContext(ctx)
}

// replaceAuth puts another directive in the place of @auth.
func replaceAuth(f func(*server, directive) directive) fault {
	return fault{directives: func(s *server, d sample.DirectiveRoot) sample.DirectiveRoot {
		d.Auth = f(s, d.Auth)
		return d
	}}
}

// replaceInSchema enforces what a schema says that has something else in the place of old.
func replaceInSchema(old, replacement string) fault {
	return fault{directives: func(s *server, _ sample.DirectiveRoot) sample.DirectiveRoot {
		content := string(must(os.ReadFile("internal/sample/schema.graphqls"))(s.t))
		changed := strings.ReplaceAll(content, old, replacement)
		if changed == content {
			s.t.Fatalf("the sample's schema has no %q", old)
		}
		schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: changed})
		if err != nil {
			s.t.Fatal(err)
		}
		return sample.DirectiveRoot(graph.Directives(graphConfig(s, must(policy.Compile(schema))(s.t))))
	}}
}

// bypassIf lets everybody through whenever something is the case.
func bypassIf(open func(context.Context) bool) fault {
	return replaceAuth(func(_ *server, right directive) directive {
		return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool) (any, error) {
			if open(ctx) {
				return next(ctx)
			}
			return right(ctx, obj, next, role, orOwner, reportOnly)
		}
	})
}

// onDenial does something else with a denial.
func onDenial(f func(context.Context, error) (any, error)) fault {
	return replaceAuth(func(_ *server, right directive) directive {
		return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool) (any, error) {
			result, err := right(ctx, obj, next, role, orOwner, reportOnly)
			if err != nil {
				return f(ctx, err)
			}
			return result, nil
		}
	})
}

// resolvedVia says whether the object of a field was answered by a field of this type.
func resolvedVia(typeName string) func(context.Context) bool {
	return func(ctx context.Context) bool {
		for parent := graphql.GetFieldContext(ctx).Parent; parent != nil; parent = parent.Parent {
			if parent.Index == nil {
				return parent.Field.Field != nil && parent.Field.Definition.Type.Name() == typeName
			}
		}
		return false
	}
}

// checkOnlyFirstUse judges a field of an object once, and lets it through when it is asked for again.
func checkOnlyFirstUse() fault {
	var seen sync.Map
	return bypassIf(func(ctx context.Context) bool {
		field := graphql.GetFieldContext(ctx)
		_, again := seen.LoadOrStore(fmt.Sprintf("%p %v %s", operation(ctx), field.Parent.Path(), field.Field.Name), true)
		return again
	})
}

// cacheDecisions judges each field once a request, whatever object it is of.
func cacheDecisions() fault {
	return replaceAuth(func(_ *server, right directive) directive {
		var mu sync.Mutex
		verdicts := map[string]error{}
		return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool) (any, error) {
			field := graphql.GetFieldContext(ctx)
			key := fmt.Sprintf("%p %s.%s", operation(ctx), field.Object, field.Field.Name)
			mu.Lock()
			err, known := verdicts[key]
			if !known {
				_, err = right(ctx, obj, func(context.Context) (any, error) { return nil, nil }, role, orOwner, reportOnly)
				verdicts[key] = err
			}
			mu.Unlock()
			if err != nil {
				return nil, err
			}
			return next(ctx)
		}
	})
}

// rewriteBody changes answers that have errors.
func rewriteBody(pattern, to string) fault {
	from := regexp.MustCompile(pattern)
	return fault{around: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			body := answer.Body.Bytes()
			if bytes.Contains(body, []byte(`"errors"`)) {
				body = from.ReplaceAll(body, []byte(to))
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(body)
		})
	}}
}
