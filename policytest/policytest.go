// Package policytest proves that a running server keeps the rules of its schema.
//
//	policytest.Run(t, app)
//
// Run generates documents for every gated field from the schema and its policy. It sends them over
// HTTP as every kind of actor: an anonymous request, a user of each role, the owner, and users who
// were disabled or demoted after their token was issued. It uses every form of GraphQL syntax,
// along a route from each root field that leads to the field.
//
// Each response must follow the rules. A denied field is null, with exactly one error of the right
// code at its path. Its value is nowhere in the response, its siblings are present, and its
// resolver did not run. An allowed field is not denied.
//
// A field with maxAge or mfa is also requested with sessions whose proof of identity differs:
// fresh, stale, with one factor of two and with both. A session that does not meet the rule gets
// STEP_UP_REQUIRED. The role is checked first: a user without it gets FORBIDDEN with any session.
//
// No field is listed by hand, so new fields are tested without a change. A field that cannot be
// reached, or that never returned a value, fails the test with the fixture to add.
//
// # Fields of a product
//
// Most fields need no setup. [App] provides what Run cannot know:
//
//   - The owner of an object, if its type has a field with orOwner: Owners names an open field with
//     the owner's id.
//   - The arguments of a field, if the generated ones are not valid. Run omits optional arguments.
//     An ID is the id of the user whom the request is about, an enum its first value, a string a
//     short text. Fixtures replace these.
//
// Notes that belong to users need this:
//
//	app.Owners["Note"] = "author.id"
//	app.Fixtures["Query.note"] = func(c policytest.Case) policytest.Fixture {
//		return policytest.Fixture{Arguments: map[string]any{"id": noteOf(c.Subject)}}
//	}
//
// A run logs what it sent:
//
//	29 gated fields × 8 actors × 16 forms, each by 1 to 14 routes: 12952 cells, 2400 of them step-up cells, in 9462 requests
//
// All gated fields in the result of a mutation are requested together, so there are fewer requests
// than cells.
//
// Run cannot see whether the rules are the intended ones, or whether a resolver returns too much to
// users who may call it.
package policytest

import (
	"context"
	"net/http"

	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/policy"
)

// App is a running server, and what Run needs to know about it. Its rate limits must be off.
type App struct {
	URL    string         // of its GraphQL endpoint
	Schema *ast.Schema    // the schema that it serves
	Policy *policy.Policy // the rules of that schema

	// Enrol creates a user with a role and signs them in, so that their token has this role.
	// Disable disables an account, and SetRole changes its role; neither replaces issued tokens.
	// All of them fail the test on errors.
	Enrol   func(role string) Person
	Disable func(Person)
	SetRole func(p Person, role string)

	// Prove, if given, changes what the session of a user has proved, before the first request with
	// its token. Fields with maxAge or mfa need it: without it Run tests them with fresh sessions
	// only, and reports that as an error.
	Prove func(Person, SessionProof)

	// Others are additional kinds of actors, such as a user whose token has expired.
	Others []Who

	// Owners has, by type, the name of an open field with the ID of the owner's Person, or a dotted
	// path of such fields. Each type with orOwner needs one.
	Owners map[string]string

	// Fixtures provide arguments for fields that cannot be called with generated ones, by
	// coordinate: "Query.note".
	Fixtures map[string]func(Case) Fixture

	// Within, if given, is a folder such as "app/notes". Run then tests the fields that schema
	// files below it define, and every gated field that is reached through them. Without is the
	// opposite: it excludes those. A feature of a product tests its own fields with Within, so that
	// the test of all other fields, with Without, need not know its fixtures.
	Within, Without string

	// Statements, if given, returns how many statements the server has sent to its database. An
	// operation whose fields are all denied costs one at most, which reads the session, one more
	// for STEP_UP_REQUIRED, which names the user's factors, and none if the request is anonymous.
	Statements func() uint64

	// Quick uses only every fifth form, for slow runs such as those under the race detector.
	Quick bool

	// Runs, if given, returns how often each resolver has run, by coordinate. Run then also checks
	// that the resolvers of denied fields did not run.
	Runs func() map[string]int
}

// Person is a user, or an anonymous client, in a test.
type Person struct {
	ID string // what Owners leads to; "" for an anonymous client
	// The current role, whatever the token has; "" if the server treats the request as
	// unauthenticated.
	Role   string
	Reason string       // the reason of UNAUTHENTICATED then: "missing", "expired", "revoked"
	Token  string       // the access token; "" for none
	Proof  SessionProof // what the token's session has proved
	Data   any          // for the use of fixtures
}

// Who is one kind of actor.
type Who struct {
	Name string // as it reads after "as": "a user whose token has expired"
	Make func() Person
}

// Case is a pair of the user who sends a request and the user whose objects it is about. The owner
// queries their own objects, every other actor those of a user with the weakest role.
type Case struct{ Asker, Subject Person }

// Fixture is how a field is called in a case.
type Fixture struct {
	// Arguments has values by name. Run generates the required ones that are missing.
	Arguments map[string]any

	// Viewer is the viewer of the rest of the operation after a field of Mutation has succeeded,
	// such as the signed-in user after a sign-in. Without an ID it owns everything that the field
	// returns, as after a registration. nil means no change.
	Viewer *Person
}

// Reporter is the part of *testing.T that Run uses. Run stops when the context ends.
type Reporter interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// Run tests the policy of a server, and logs how much it has sent. It changes the server's data and
// counts its work, so the server must serve no other requests meanwhile.
func Run(t Reporter, app App) {
	t.Helper()
	p := &proof{
		App: app, t: t, client: &http.Client{Transport: &http.Transport{}},
		coverage: newCoverage(), secrets: secrets{}, routes: findRoutes(app.Schema), pages: map[string]int{},
		forms: forms, stepUp: map[stepUpKey]*actor{}, maxSessionAge: maxSessionAge(app.Policy.Rules()),
	}
	if app.Quick {
		p.forms = nil
		for i := 0; i < len(forms); i += 5 {
			p.forms = append(p.forms, forms[i])
		}
	}
	defer p.client.CloseIdleConnections()
	if !p.validate() {
		return
	}
	if p.run(); !p.isDone() {
		p.coverage.report(t, p)
	}
}
