package policy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestWriteTable(t *testing.T) {
	want := `
field           rule                                anonymous  USER  STAFF  ADMIN
Query.items     @public                             yes        yes   yes    yes
Mutation.buy    @auth                               -          yes   yes    yes
Mutation.close  @auth(role: ADMIN, orOwner: false)  -          -     -      yes
Order.total     @auth(role: STAFF)                  -          -     yes    yes
Order.address   @auth(role: STAFF, orOwner: true)   -          own   yes    yes
`
	var got strings.Builder
	if err := compile(t, declarations, shop).WriteTable(&got); err != nil {
		t.Fatal(err)
	}
	if "\n"+got.String() != want {
		t.Errorf("got\n%s\nwant%s", got.String(), want)
	}
}

// reportOnlySchema has every kind of rule, @credential and limits.
const reportOnlySchema = `
	type Query {
		items: [ID!] @public @auth(reportOnly: true)
		users: [User!] @auth(role: STAFF) @auth(role: ADMIN, reportOnly: true)
		find: User @auth(role: STAFF, reportOnly: true)
	}
	type Mutation {
		login(email: String!): User @public @credential
			@limit(by: ADDRESS, count: 30, window: "15m", successes: true) @limit(by: ACCOUNT, count: 5, window: "90s")
	}
	type User {
		email: String @auth(role: STAFF, orOwner: true) @auth(role: STAFF, reportOnly: true)
		phone: String @auth(role: STAFF, orOwner: true, reportOnly: true)
		check(pin: String): Boolean @credential
	}`

const reportOnlyDeclarations = limitDeclarations + "directive @credential on FIELD_DEFINITION\n"

func TestWriteTableShowsReportOnlyRulesAndLimits(t *testing.T) {
	want := `
field           rule                                                                       anonymous  USER  STAFF  ADMIN  constraints
Query.items     @public @auth(reportOnly: true)                                            yes!       yes   yes    yes
Query.users     @auth(role: STAFF) @auth(role: ADMIN, reportOnly: true)                    -          -     yes!   yes
Query.find      @auth(role: STAFF, reportOnly: true)                                       yes!       yes!  yes    yes
Mutation.login  @public                                                                    yes        yes   yes    yes    @credential; 30 per 15m by ADDRESS, successes too; 5 per 1m30s by ACCOUNT
User.email      @auth(role: STAFF, orOwner: true) @auth(role: STAFF, reportOnly: true)     -          own!  yes    yes
User.phone      @auth(role: STAFF, orOwner: true, reportOnly: true)                        yes!       yes!  yes    yes
User.check                                                                                 yes        yes   yes    yes    @credential
`
	var got strings.Builder
	if err := compile(t, reportOnlyDeclarations, reportOnlySchema).WriteTable(&got); err != nil {
		t.Fatal(err)
	}
	if squeeze("\n"+got.String()) != squeeze(want) {
		t.Errorf("got\n%s\nwant%s", got.String(), want)
	}
}

// squeeze collapses spaces, so that a comparison ignores column widths.
func squeeze(text string) string { return regexp.MustCompile(` +`).ReplaceAllString(text, " ") }

func TestWriteMarkdown(t *testing.T) {
	var got strings.Builder
	if err := compile(t, reportOnlyDeclarations, reportOnlySchema).WriteMarkdown(&got); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| field | rule | anonymous | USER | STAFF | ADMIN | constraints |\n|---|---|---|---|---|---|---|\n",
		"| `Query.users` | `@auth(role: STAFF) @auth(role: ADMIN, reportOnly: true)` | - | - | yes! | yes |  |\n",
		"| `User.check` |  | yes | yes | yes | yes | @credential |\n\n",
		"Roles, weakest first: `USER`; `STAFF` includes USER; `ADMIN` includes USER, STAFF.\n",
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("no\\n%s\\nin\\n%s", want, got.String())
		}
	}
}

// Programs read this documented format.
func TestWriteJSON(t *testing.T) {
	const want = `{
  "roles": [
    {"role": "USER", "includes": []},
    {"role": "STAFF", "includes": ["USER"]},
    {"role": "ADMIN", "includes": ["USER", "STAFF"]}
  ],
  "fields": [
    {
      "field": "Mutation.login", "rule": "@public @auth(role: ADMIN, reportOnly: true)", "public": true, "requires": null,
      "reportOnly": {"role": "ADMIN", "orOwner": false, "maxAgeSeconds": 0, "mfa": "NO"},
      "access": {"ADMIN": "yes", "STAFF": "yes", "USER": "yes", "anonymous": "yes"}, "credential": true,
      "limits": [{"by": "ADDRESS", "count": 30, "windowSeconds": 1.5, "successes": true, "failures": true, "shared": ""}]
    },
    {
      "field": "User.email", "rule": "@auth(role: STAFF, orOwner: true)", "public": false,
      "requires": {"role": "STAFF", "orOwner": true, "maxAgeSeconds": 0, "mfa": "NO"}, "reportOnly": null,
      "access": {"ADMIN": "yes", "STAFF": "yes", "USER": "own", "anonymous": "no"}, "credential": false, "limits": []
    }
  ]
}`
	p := compile(t, reportOnlyDeclarations, `
		type Mutation {
			login: User @public @credential @limit(by: ADDRESS, count: 30, window: "1500ms", successes: true) @auth(role: ADMIN, reportOnly: true)
		}
		type User { email: String @auth(role: STAFF, orOwner: true) }`)
	var got bytes.Buffer
	if err := p.WriteJSON(&got); err != nil {
		t.Fatal(err)
	}
	if compact(t, got.Bytes()) != compact(t, []byte(want)) {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func compact(t *testing.T, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var errFull = errors.New("disk full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrorsAreReturned(t *testing.T) {
	p := compile(t, declarations, shop)
	for name, write := range map[string]func(io.Writer) error{"table": p.WriteTable, "markdown": p.WriteMarkdown, "json": p.WriteJSON} {
		if err := write(fullDisk{}); !errors.Is(err, errFull) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
