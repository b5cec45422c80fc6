package policy_test

import (
	"fmt"
	"os"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/policy"
)

func Example() {
	schema := gqlparser.MustLoadSchema(&ast.Source{Name: "schema.graphqls", Input: declarations + `
		type Query {
			hello: String! @public
			me: User @auth
		}
		type User {
			name: String!
			email: String @auth(role: STAFF, orOwner: true)
		}`})

	rules, err := policy.Compile(schema)
	if err != nil {
		fmt.Println(err) // one line for each defect
		return
	}
	fmt.Println("ADMIN includes USER:", rules.Includes("ADMIN", "USER"))
	rules.WriteTable(os.Stdout)

	// Output:
	// ADMIN includes USER: true
	// field        rule                               anonymous  USER  STAFF  ADMIN
	// Query.hello  @public                            yes        yes   yes    yes
	// Query.me     @auth                              -          yes   yes    yes
	// User.email   @auth(role: STAFF, orOwner: true)  -          own   yes    yes
}
