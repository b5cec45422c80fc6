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

// directive is the implementation of @auth.
type directive = func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool, maxAge *string, mfa string) (any,
	error)

// Run must detect every defect in the enforcement, and name the field.
func TestRunDetectsBrokenEnforcement(t *testing.T) {
	t.Parallel()
	for i, tt := range []struct {
		name string
		want []string // parts of one error, whose first line contains the first
		way  fault
	}{
		{"nothing is enforced", []string{"Query.mine", "is not allowed"}, bypassIf(func(context.Context) bool { return true })},
		{"nothing is enforced through an interface", []string{".text", "is not allowed", "entries"}, bypassIf(resolvedVia("Entry"))},
		{"nothing is enforced through a union", []string{"Note.", "is not allowed", "findings"}, bypassIf(resolvedVia("Found"))},
		{"nothing is enforced in the result of a mutation", []string{"Note.", "is not allowed", "touch"}, bypassIf(func(ctx context.Context) bool {
			return operation(ctx).Operation.Operation == ast.Mutation && graphql.GetFieldContext(ctx).Object != "Mutation"
		})},
		{"an alias bypasses the rule", []string{"Query.mine", "alias"}, bypassIf(func(ctx context.Context) bool {
			field := graphql.GetFieldContext(ctx).Field
			return field.Alias != field.Name
		})},
		{"the name of an open field as alias bypasses the rule", []string{"Note.", "alias of another field's name"}, bypassIf(func(ctx context.Context) bool {
			return graphql.GetFieldContext(ctx).Field.Alias == "title"
		})},
		{"a named fragment bypasses the rule", []string{"Query.mine", "named fragment"}, bypassIf(func(ctx context.Context) bool {
			return len(operation(ctx).Doc.Fragments) == 1
		})},
		{"a directive bypasses the rule", []string{"Query.mine", "@include(if: true)"}, bypassIf(func(ctx context.Context) bool {
			return len(graphql.GetFieldContext(ctx).Field.Directives) > 0
		})},
		{"the second operation is not checked", []string{"Query.mine", "second operation"}, bypassIf(func(ctx context.Context) bool {
			return len(operation(ctx).Doc.Operations) > 1
		})},
		{"only the first item of a list is checked", []string{".text", "is not allowed"}, bypassIf(func(ctx context.Context) bool {
			index := graphql.GetFieldContext(ctx).Parent.Index
			return index != nil && *index > 0
		})},
		{"a field is checked once, also for a second alias", []string{"Query.mine", "twice, by two aliases"}, checkOnlyFirstUse()},
		{"a decision is cached for the rest of the request", []string{"Note.", "allowed"}, cacheDecisions()},
		{"every user owns every object", []string{"Note.text", "USER is not allowed"}, replaceInSchema("@auth(role: STAFF, orOwner: true)", "@auth(orOwner: true)")},
		{"no user owns any object", []string{"Note.text", "as the owner", "is allowed"}, replaceInSchema(", orOwner: true", "")},
		{"one of two unrelated roles includes the other", []string{"Note.", "AUDITOR is not allowed"}, replaceInSchema("AUDITOR @includes(roles: [USER])", "AUDITOR @includes(roles: [STAFF])")},
		{"an allowed role is denied", []string{"Task.effort", "STAFF is allowed"}, replaceInSchema("effort: Int @auth(role: STAFF)", "effort: Int @auth(role: ADMIN)")},
		{"the role of the token is used", []string{"a user who was demoted", "is not allowed"}, replaceAuth(func(s *server, right directive) directive {
			return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool, maxAge *string, mfa string) (any, error) {
				if _, err := auth.ViewerFrom(ctx).Session(ctx); err == nil && s.policy.Includes(auth.ViewerFrom(ctx).Claims().Role, role) {
					return next(ctx)
				}
				return right(ctx, obj, next, role, orOwner, reportOnly, maxAge, mfa)
			}
		})},
		{"a disabled account is not detected", []string{"Query.mine, as a user whose account was disabled"}, bypassIf(func(ctx context.Context) bool {
			_, err := auth.ViewerFrom(ctx).Session(ctx)
			denied := (*auth.UnauthenticatedError)(nil)
			return errors.As(err, &denied) && denied.Reason == auth.Revoked
		})},
		{"an expired token is not detected", []string{"Query.mine, as a user whose token has expired"}, bypassIf(func(ctx context.Context) bool {
			_, err := auth.ViewerFrom(ctx).Session(ctx)
			denied := (*auth.UnauthenticatedError)(nil)
			return errors.As(err, &denied) && denied.Reason == auth.Expired
		})},
		{"the resolver runs before the check", []string{"Query.mine", "resolver ran 1 times, want at most 0"}, replaceAuth(func(_ *server, right directive) directive {
			return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool, maxAge *string, mfa string) (any, error) {
				result, err := next(ctx)
				return right(ctx, obj, func(context.Context) (any, error) { return result, err },
					role, orOwner, reportOnly, maxAge, mfa)
			}
		})},
		{"a denial costs an additional statement", []string{"Query.mine", "cost of 1 statements, want at most 0"}, replaceAuth(func(s *server, right directive) directive {
			return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool, maxAge *string, mfa string) (any, error) {
				result, err := right(ctx, obj, next, role, orOwner, reportOnly, maxAge, mfa)
				if err != nil {
					_, _ = s.store.UserByID(ctx, "unknown")
				}
				return result, err
			}
		})},
		{"the error is duplicated", []string{"Query.mine", "2 errors"}, onDenial(func(ctx context.Context, err error) (any, error) {
			graphql.AddError(ctx, err)
			return nil, err
		})},
		{"the error is missing", []string{"Query.mine", "0 errors"}, onDenial(func(context.Context, error) (any, error) { return nil, nil })},
		{"the value is masked instead of null", []string{"Note.text", "is not allowed"}, onDenial(func(ctx context.Context, err error) (any, error) {
			if graphql.GetFieldContext(ctx).Field.Name != "text" {
				return nil, err
			}
			graphql.AddError(ctx, err)
			return new("***"), nil
		})},
		{"the error is internal", []string{"Query.mine", "INTERNAL"}, onDenial(func(context.Context, error) (any, error) {
			return nil, errors.New("not for you")
		})},
		{"the code is defect", []string{"Query.audit", "want FORBIDDEN"}, rewriteBody(`"FORBIDDEN"`, `"UNAUTHENTICATED"`)},
		{"the required role is missing", []string{"Query.audit", "want FORBIDDEN, requires AUDITOR"}, rewriteBody(`"requires":"[A-Z]+"`, `"requires":""`)},
		{"the error has no path", []string{"Query", "unexpected error"}, rewriteBody(`"path":\[[^\]]*\],`, ``)},
		{"the value is beside the error", []string{"Audit.secret", "the response contains it"}, rewriteBody(`"code":"FORBIDDEN"`, `"code":"FORBIDDEN","hint":"the secret of the audit"`)},
		{"a sibling is null", []string{"Note.id", "is null"}, rewriteBody(`"id":"note-[^"]*"`, `"id":null`)},
		{"the parent object is null", []string{"Note.", "unexpected error"}, rewriteBody(`"note":\{.*$`, `"note":null}}`)},
		{"the data is null", []string{"Query", "the response has no data"}, rewriteBody(`"data":.*\}$`, `"data":null}`)},
		{"the age of the proof is not checked", []string{"Query.plan, as STAFF with a stale session", "STAFF is not allowed"}, replaceInSchema(`maxAge: "10m"`, `maxAge: null`)},
		{"the maximum age is longer", []string{"Query.plan, as STAFF with a stale session", "STAFF is not allowed"}, replaceInSchema(`maxAge: "10m"`, `maxAge: "11m"`)},
		{"the maximum age is shorter", []string{"Query.plan, as STAFF with a fresh session", "STAFF is allowed"}, replaceInSchema(`maxAge: "10m"`, `maxAge: "4m"`)},
		{"an enrolled second factor is not required", []string{"Note.draft, as STAFF with one factor of two", "STAFF is not allowed"}, replaceAuth(func(s *server, right directive) directive {
			return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool, maxAge *string, mfa string) (any, error) {
				result, err := right(ctx, obj, next, role, orOwner, reportOnly, maxAge, mfa)
				stepUp := (*graph.StepUpRequiredError)(nil)
				if errors.As(err, &stepUp) && stepUp.Proof.MFA == policy.MFAIfEnrolled {
					session, _ := auth.ViewerFrom(ctx).Session(ctx)
					if s.now().Sub(session.FirstProvedAt()) <= stepUp.Proof.MaxAge {
						return next(ctx)
					}
				}
				return result, err
			}
		})},
		{"a user without a second factor needs none", []string{"Mutation.pay", "STAFF is not allowed"}, replaceInSchema("mfa: ALWAYS", "mfa: IF_ENROLLED")},
		{"a second factor is required of users without one", []string{"Note.draft", "STAFF is allowed"}, replaceInSchema("mfa: IF_ENROLLED", "mfa: ALWAYS")},
		{"a second factor never gets old", []string{"Mutation.pay, as STAFF with a stale second factor", "is not allowed"}, bypassIf(func(ctx context.Context) bool {
			session, err := auth.ViewerFrom(ctx).Session(ctx)
			return err == nil && session.SecondProvedAt != nil && session.User.Role == "STAFF"
		})},
		{"the owner needs no proof", []string{"Note.draft, as the owner with a stale session", "is not allowed"}, replaceAuth(func(_ *server, right directive) directive {
			return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool, maxAge *string, mfa string) (any, error) {
				if note, ok := obj.(*sample.Note); ok && orOwner && note.OwnerID() == auth.ViewerFrom(ctx).UserID() {
					return next(ctx)
				}
				return right(ctx, obj, next, role, orOwner, reportOnly, maxAge, mfa)
			}
		})},
		{"the proof is checked before the role", []string{"Query.plan, as USER with a stale session", "want FORBIDDEN, requires STAFF"}, replaceAuth(func(s *server, right directive) directive {
			withoutRoles := schemaPolicy(s, "role: STAFF, ", "")
			proofOnly := sample.DirectiveRoot(graph.Directives(graphConfig(s, withoutRoles))).Auth
			return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool, maxAge *string, mfa string) (any, error) {
				_, err := proofOnly(ctx, obj, func(context.Context) (any, error) { return nil, nil }, role, orOwner, reportOnly, maxAge, mfa)
				if errors.As(err, new(*graph.StepUpRequiredError)) {
					return nil, err
				}
				return right(ctx, obj, next, role, orOwner, reportOnly, maxAge, mfa)
			}
		})},
		{"a missing proof has the code of a missing role", []string{"Query.plan", "want STEP_UP_REQUIRED, mfa NO"}, rewriteBody(`"STEP_UP_REQUIRED"`, `"FORBIDDEN"`)},
		{"the error does not name the maximum age", []string{"Query.plan", "maxAge <nil>; want STEP_UP_REQUIRED, maxAge 600"}, rewriteBody(`"maxAge":600`, `"maxAge":null`)},
		{"the error names factors that are not enough", []string{"Mutation.pay", "got the methods"}, rewriteBody(`"methods":\[[^\]]*\]`, `"methods":["PASSWORD"]`)},
	} {
		if i%8 != 0 && !dbtest.Exhaustive() {
			continue // each row is a complete run
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := runUntilReported(t, &tt.way, tt.want); !got.found {
				t.Errorf("no error contains %q; got %d errors: %.1000s", tt.want, len(got.messages),
					strings.Join(got.messages, "\n"))
			}
		})
	}
}

// runUntilReported runs the tests on a server with a defect, until an error has all wanted parts.
func runUntilReported(t *testing.T, defect *fault, want []string) *reportRecorder {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &reportRecorder{ctx: ctx, cancel: cancel, want: want}
	policytest.Run(r, startServer(t, dbtest.SQLite(t), defect).app())
	return r
}

// reportRecorder records the errors of a run, and does not fail the test.
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

// replaceAuth replaces the implementation of @auth.
func replaceAuth(f func(*server, directive) directive) fault {
	return fault{directives: func(s *server, d sample.DirectiveRoot) sample.DirectiveRoot {
		d.Auth = f(s, d.Auth)
		return d
	}}
}

// replaceInSchema enforces the rules of a changed schema.
func replaceInSchema(old, replacement string) fault {
	return fault{directives: func(s *server, _ sample.DirectiveRoot) sample.DirectiveRoot {
		return sample.DirectiveRoot(graph.Directives(graphConfig(s, schemaPolicy(s, old, replacement))))
	}}
}

// schemaPolicy returns the policy of the sample's schema with a replacement.
func schemaPolicy(s *server, old, replacement string) *policy.Policy {
	s.t.Helper()
	content := string(must(os.ReadFile("internal/sample/schema.graphqls"))(s.t))
	changed := strings.ReplaceAll(content, old, replacement)
	if changed == content {
		s.t.Fatalf("the sample's schema has no %q", old)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: changed})
	if err != nil {
		s.t.Fatal(err)
	}
	return must(policy.Compile(schema))(s.t)
}

// bypassIf allows every request for which open returns true.
func bypassIf(open func(context.Context) bool) fault {
	return replaceAuth(func(_ *server, right directive) directive {
		return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool, maxAge *string, mfa string) (any, error) {
			if open(ctx) {
				return next(ctx)
			}
			return right(ctx, obj, next, role, orOwner, reportOnly, maxAge, mfa)
		}
	})
}

// onDenial replaces the result of a denial.
func onDenial(f func(context.Context, error) (any, error)) fault {
	return replaceAuth(func(_ *server, right directive) directive {
		return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool, maxAge *string, mfa string) (any, error) {
			result, err := right(ctx, obj, next, role, orOwner, reportOnly, maxAge, mfa)
			if err != nil {
				return f(ctx, err)
			}
			return result, nil
		}
	})
}

// resolvedVia reports whether the field's object was returned by a field of this type.
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

// checkOnlyFirstUse checks a field of an object once, and allows it when it is requested again.
func checkOnlyFirstUse() fault {
	var seen sync.Map
	return bypassIf(func(ctx context.Context) bool {
		field := graphql.GetFieldContext(ctx)
		_, again := seen.LoadOrStore(fmt.Sprintf("%p %v %s", operation(ctx), field.Parent.Path(), field.Field.Name),
			true)
		return again
	})
}

// cacheDecisions checks each field once per request, whatever its object.
func cacheDecisions() fault {
	return replaceAuth(func(_ *server, right directive) directive {
		var mu sync.Mutex
		decisions := map[string]error{}
		return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner, reportOnly bool, maxAge *string, mfa string) (any, error) {
			field := graphql.GetFieldContext(ctx)
			key := fmt.Sprintf("%p %s.%s", operation(ctx), field.Object, field.Field.Name)
			mu.Lock()
			err, known := decisions[key]
			if !known {
				_, err = right(ctx, obj, func(context.Context) (any, error) { return nil, nil },
					role, orOwner, reportOnly, maxAge, mfa)
				decisions[key] = err
			}
			mu.Unlock()
			if err != nil {
				return nil, err
			}
			return next(ctx)
		}
	})
}

// rewriteBody changes responses that have errors.
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
