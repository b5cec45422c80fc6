package guard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fieldgate/internal/guard"
)

func newValidatingHandler(introspection bool) *handler.Server {
	h := newHandler(guard.POST{})
	h.SetValidationRulesFn(guard.ValidationRules(introspection))
	h.SetDisableSuggestion(!introspection)
	return h
}

func queryErrors(t *testing.T, h *handler.Server, query string) gqlerror.List {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, jsonRequest(t.Context(), strings.NewReader(string(body))))
	var got struct{ Errors gqlerror.List }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("got status %d, error %v in %s", w.Code, err, w.Body)
	}
	return got.Errors
}

func TestValidationReturnsFirstTwentyErrors(t *testing.T) {
	wrong := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, query string
		want        int
	}{
		{"none", `{ hello }`, 0},
		{"as many as are returned", `{ ` + wrong(20, "wrong%d ") + `}`, 20},
		{"one more", `{ ` + wrong(21, "wrong%d ") + `}`, 20},
		{"many unknown fields", `{ ` + wrong(500, "wrong%d ") + `}`, 20},
		{"many selections on scalars", `mutation { ` + wrong(500, "a%d: login { of }") + `}`, 20},
		{"many of different rules", `{ ` + wrong(15, `a%d: add(a: "x", wrong: 1) @wrong `) + `}`, 20},
	} {
		for _, introspection := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, introspection %v", tt.name, introspection), func(t *testing.T) {
				errs := queryErrors(t, newValidatingHandler(introspection), tt.query)
				if len(errs) != tt.want {
					t.Errorf("got %d errors, want %d: %v", len(errs), tt.want, errs)
				}
				for _, err := range errs {
					if err.Extensions["code"] != "GRAPHQL_VALIDATION_FAILED" || len(err.Locations) == 0 {
						t.Errorf("got %v with %v, want a validation error with locations", err, err.Extensions)
					}
					if strings.Contains(err.Message, `"x"`) {
						t.Error("the error contains a value:", err)
					}
				}
			})
		}
	}
}

func TestValidationErrorsAreShort(t *testing.T) {
	long := strings.Repeat("ä", 5000)
	for name, query := range map[string]string{
		"a long name":               `{ ` + strings.Repeat("a", 5000) + ` }`,
		"many conflicts within one": `{ __schema { ` + strings.Repeat(`types { `+strings.Repeat("a: name a: kind ", 9)+` }`, 2) + ` } }`,
		"a long value":              `{ add(role: "` + long + `") }`,
	} {
		t.Run(name, func(t *testing.T) {
			errs := queryErrors(t, newValidatingHandler(true), query)
			if len(errs) == 0 {
				t.Fatal("no error")
			}
			for _, err := range errs {
				if len(err.Message) > 1100 {
					t.Errorf("got %d bytes: %.100s …", len(err.Message), err.Message)
				}
			}
		})
	}
}

// panickingExtension panics when gqlgen calls it for a request.
type panickingExtension struct{}

func (panickingExtension) ExtensionName() string                   { return "thrower" }
func (panickingExtension) Validate(graphql.ExecutableSchema) error { return nil }
func (panickingExtension) MutateOperationParameters(context.Context, *graphql.RawParams) *gqlerror.Error {
	panic("something else")
}

func TestExtensionPanicIsInternalError(t *testing.T) {
	h := newValidatingHandler(false)
	h.Use(panickingExtension{})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, jsonRequest(t.Context(), strings.NewReader(helloQuery)))
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"INTERNAL"`) {
		t.Errorf("got status %d: %s", w.Code, w.Body)
	}
}
