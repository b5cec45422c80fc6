package notes_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fieldgate/policytest"
	"fieldgate/servertest"
)

// The tests need a server with notes, so they run in app/notes only. TestExampleFeatureEditsOnlyApp
// copies them there.
func TestMain(m *testing.M) {
	if wd, err := os.Getwd(); err == nil && filepath.Base(filepath.Dir(wd)) == "examples" {
		fmt.Println("skipped: the server has no notes here; these tests run in a copy at app/notes")
		return
	}
	servertest.Main(m)
}

const addNote = `mutation($t: String!) { addNote(text: $t) { id author { id } text } }`

func TestNotesAnswer(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, databaseURL string) {
		s := servertest.Start(t, databaseURL)
		ada := s.NewUser("USER")
		s.Run(t, servertest.Cast{"the author": ada, "a USER": s.NewUser("USER"), "a STAFF": s.NewUser("STAFF")}, []servertest.Scenario{
			{
				Name: "an anonymous request cannot write", Query: `mutation { addNote(text: "Milk") { id } }`,
				Data: `{"addNote": null}`, Codes: []string{"addNote UNAUTHENTICATED"},
			},
			{
				Name: "the author writes", As: "the author", Query: `mutation { addNote(text: "Milk, eggs") { text author { id } } }`,
				Data: `{"addNote": {"text": "Milk, eggs", "author": {"id": "$ADA"}}}`,
			},
			{
				Name: "an empty note is rejected", As: "the author", Query: `mutation { addNote(text: "") { id } }`,
				Data: `{"addNote": null}`, Codes: []string{"addNote BAD_USER_INPUT"},
			},
			{
				Name: "a note that is too long is rejected", As: "the author",
				Query: `mutation { addNote(text: "` + strings.Repeat("ä", 501) + `") { id } }`,
				Data:  `{"addNote": null}`, Codes: []string{"addNote BAD_USER_INPUT"},
			},
			{
				Name: "the author reads", As: "the author", Query: `{ notes(userId: "$ADA") { text author { name email } } }`,
				Data: `{"notes": [{"text": "Milk, eggs", "author": {"name": "Somebody", "email": "$EMAIL"}}]}`,
			},
			{
				Name: "another user sees that there is a note", As: "a USER", Query: `{ notes(userId: "$ADA") { text author { id } } }`,
				Data: `{"notes": [{"text": null, "author": {"id": "$ADA"}}]}`, Codes: []string{"notes.0.text FORBIDDEN"},
			},
			{Name: "STAFF reads", As: "a STAFF", Query: `{ notes(userId: "$ADA") { text } }`, Data: `{"notes": [{"text": "Milk, eggs"}]}`},
			{
				Name: "an invalid id is not found", As: "a USER", Query: `{ notes(userId: "ä") { id } }`,
				Data: `{"notes": null}`, Codes: []string{"notes NOT_FOUND"},
			},
		}, "$ADA", ada.ID, "$EMAIL", ada.Email)
	})
}

func TestNotesAreDeletedWithTheirAuthor(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, databaseURL string) {
		s := servertest.Start(t, databaseURL)
		ada, bob := s.NewUser("USER"), s.NewUser("USER")
		s.Query(ada, addNote, "t", "Ada's").Must()
		s.Query(bob, addNote, "t", "Bob's").Must()
		s.Query(ada, `mutation($p: String!) { deleteAccount(password: $p) }`, "p", ada.Password).Must()
		var authors []string
		if err := s.Store().DB(t.Context()).Table("notes").Pluck("author_id", &authors).Error; err != nil {
			t.Fatal(err)
		}
		if len(authors) != 1 || authors[0] != bob.ID {
			t.Errorf("got notes of %q, want those of %q only", authors, bob.ID)
		}
	})
}

// Tests the rules of the schema file for every role and in every form of GraphQL.
func TestRulesOfNotesAreProven(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, databaseURL string) {
		s := servertest.Start(t, databaseURL)
		app := s.Proof()
		app.Within = "app/notes"
		app.Owners["Note"] = "author.id"
		register := app.Enrol
		app.Enrol = func(role string) policytest.Person {
			p := register(role)
			s.Query(p.Data.(*servertest.User), addNote, "t", "a note of "+p.ID).Must()
			return p
		}
		policytest.Run(t, app)
	})
}
