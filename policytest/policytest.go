// Package policytest proves that a running server keeps the rules of its schema.
//
//	policytest.Run(t, app)
//
// From the schema and its policy it makes documents for every gated field, fires them over HTTP as everybody who could ask
// (nobody, a person of each role, the owner, somebody whose account was shut or whose role was taken after their token was made) in
// every form that GraphQL has, along a way from each root field that leads there, and compares each answer with what
// the rules say: what is denied is null with exactly one error at its path, of the right code, its value nowhere
// in the answer, its siblings there, its resolver not run; what is allowed is not refused. Nothing is listed by hand, so a
// field that is added to the schema is proven as soon as it is there; a field that cannot be reached, or was never answered to
// anybody, fails the test with what to give.
//
// # One's own fields
//
// For most there is nothing to do. What the proof cannot know is told in [App]:
//
//   - Whose an object is, if a field of its type says orOwner: Owners names an open field that holds the owner's id.
//   - What a field is called with, if what is made up does not do. An argument that may be left out is left out; an ID is the
//     id of the person whom the question is about, an enum its first value, a text something short. Fixtures give others.
//
// For notes that belong to people this is all:
//
//	app.Owners["Note"] = "author.id"
//	app.Fixtures["Query.note"] = func(c policytest.Case) policytest.Fixture {
//		return policytest.Fixture{Arguments: map[string]any{"id": noteOf(c.Subject)}}
//	}
//
// A run logs what it fired:
//
//	16 gated fields × 8 people × 16 forms, each by 1 to 10 routes: 6784 cells in 4256 requests
//
// A field in the answer to a mutation is asked for together with the other gated ones there, so there are fewer requests
// than cells.
//
// What the proof does not see: whether the rules are the ones that somebody meant, and what a resolver hands out to those
// who may ask it.
package policytest

import (
	"context"
	"net/http"

	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/policy"
)

// App is a running server, and what the proof needs to know about it. Its rate limits must be off.
type App struct {
	URL    string         // where it takes GraphQL over POST
	Schema *ast.Schema    // what it serves
	Policy *policy.Policy // the rules of that schema

	// Enrol makes a person with a role and signs them in, so that their token says this role. Disable shuts a person's
	// account, and SetRole gives it another role; the tokens that are out stay out. They fail the test themselves.
	Enrol   func(role string) Person
	Disable func(Person)
	SetRole func(p Person, role string)

	// Others are people besides those that the proof makes of the roles, such as one whose token has expired.
	Others []Who

	// Owners says how an object of a type tells whose it is: by the name of an open field, or by a dotted path of
	// such, that holds a Person's ID. Each type with orOwner needs one.
	Owners map[string]string

	// Fixtures are about fields that cannot be called as they come, by coordinate: "Query.note".
	Fixtures map[string]func(Case) Fixture

	// Within, if given, is a folder such as "app/notes": the proof is about the fields that schema files below it define, and
	// about every gated field that is reached through them. Without is the opposite: all but those. A feature of a product
	// proves its own fields with the one, so that whoever proves the rest with the other need not know its fixtures.
	Within, Without string

	// Statements, if given, is how many statements the server has sent to its database. An operation that is
	// denied altogether costs one at most, which finds out who is asking, and none if nobody is.
	Statements func() uint64

	// Quick asks in every fifth form only: for where all is slow, as under the race detector.
	Quick bool

	// Runs, if given, is how often each resolver has run, by coordinate. It is another way to see that one did not run.
	Runs func() map[string]int
}

// Person is somebody who asks, or whom is asked about.
type Person struct {
	ID     string // what Owners leads to; "" for nobody
	Role   string // what they have now, whatever the token says; "" if they are refused as nobody is
	Reason string // why they are refused then: "missing", "expired", "revoked"
	Token  string // what they bring; "" is no token
	Data   any    // whatever the fixtures want to remember
}

// Who is one kind of people.
type Who struct {
	Name string // as it reads after "as": "somebody whose token has expired"
	Make func() Person
}

// Case is who asks about whom. The owner asks about themselves, everybody else about a person of the weakest role.
type Case struct{ Asker, Subject Person }

// Fixture is how a field is called in a case.
type Fixture struct {
	// Arguments by name. What is required and not among them is made up.
	Arguments map[string]any

	// Viewer asks the rest of the operation, once a field of Mutation was answered: after a sign-in the one who
	// signed in. Without an ID everything that is reached below is theirs, as after a registration. nil is who
	// asked before.
	Viewer *Person
}

// Reporter is what the proof needs of a *testing.T. When the context ends, so does the proof.
type Reporter interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// Run proves the policy of a server, and logs how many cells it has fired. It changes what the server holds: give it one of
// its own, and ask nothing of it meanwhile, since what the server does is counted.
func Run(t Reporter, app App) {
	t.Helper()
	p := &proof{
		App: app, t: t, client: &http.Client{Transport: &http.Transport{}},
		coverage: newCoverage(), secrets: secrets{}, routes: findRoutes(app.Schema), pages: map[string]int{}, forms: forms,
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
