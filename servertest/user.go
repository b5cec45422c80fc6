package servertest

import (
	"fmt"
	"sync/atomic"
)

// User is a signed-in account. The nil *User is anonymous.
type User struct {
	ID, Email, Password string
	Token               string // the access token
}

// Password is the password of every new User.
const Password = "correct horse battery staple"

var addresses atomic.Int64

// NewAddress returns an e-mail address that no other call returns.
func NewAddress() string { return fmt.Sprintf("person%d@example.com", addresses.Add(1)) }

// NewUser registers an account named "Somebody" with a new address, grants it a role of the schema
// and signs in.
func (s *Server) NewUser(role string) *User {
	s.t.Helper()
	u := &User{Email: NewAddress(), Password: Password}
	got := s.Query(nil, `mutation($e: String!, $p: String!) {
		register(input: {name: "Somebody", email: $e, password: $p, delivery: BODY}) { accessToken user { id } }
	}`, "e", u.Email, "p", u.Password).Must()
	u.ID, u.Token = got.Text("register.user.id"), got.Text("register.accessToken")
	if role != "USER" {
		s.SetRole(u, role)
	}
	return u
}

// SetRole changes the role of a user. It applies to the user's next request.
func (s *Server) SetRole(u *User, role string) {
	s.t.Helper()
	if _, err := s.internal.Accounts.AsOperator().SetRoleByEmail(s.t.Context(), u.Email, role); err != nil {
		s.t.Fatal(err)
	}
}

// Login signs a user in again, as on another device. The returned User has its own session and
// token.
func (s *Server) Login(u *User) *User {
	s.t.Helper()
	got := s.Query(nil, `mutation($e: String!, $p: String!) {
		login(input: {email: $e, password: $p, delivery: BODY}) { accessToken }
	}`, "e", u.Email, "p", u.Password).Must()
	other := *u
	other.Token = got.Text("login.accessToken")
	return &other
}
