package policy_test

import "testing"

func TestDescribe(t *testing.T) {
	p := compile(t, declarations, `
		type Query {
			hello: String @public
			me: User @auth
			users: User @auth(role: STAFF)
			publicNow: User @public @auth(role: STAFF, reportOnly: true)
			stricter: User @auth(role: STAFF) @auth(role: ADMIN, reportOnly: true)
		}
		type User {
			email: String @auth(role: STAFF, orOwner: true)
			name: String @auth(orOwner: true)
			phone: String @auth(role: ADMIN, orOwner: true, reportOnly: true)
		}`)
	for coordinate, want := range map[[2]string]string{
		{"Query", "hello"}:     "Public.",
		{"Query", "me"}:        "Requires a signed-in user.",
		{"Query", "users"}:     "Requires role STAFF.",
		{"Query", "publicNow"}: "Public. A report-only rule requires role STAFF.",
		{"Query", "stricter"}:  "Requires role STAFF. A report-only rule requires role ADMIN.",
		{"User", "email"}:      "Requires role STAFF or ownership.",
		{"User", "name"}:       "Requires a signed-in user.",
		{"User", "phone"}:      "Public. A report-only rule requires role ADMIN or ownership.",
	} {
		rule, ok := p.Rule(coordinate[0], coordinate[1])
		if got := p.Describe(rule); !ok || got != want {
			t.Errorf("%v: %q, want %q", coordinate, got, want)
		}
	}
}
