package account

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"fieldgate/models"
)

// UpdateProfile changes what a person says of themselves, in the row and in user. It returns *InputError.
func (s *Service) UpdateProfile(ctx context.Context, user *models.User, name string) (*models.User, error) {
	clean, wrong := cleanName(name)
	if wrong != "" {
		return nil, invalid("name", wrong)
	}
	if err := s.Store.SetName(ctx, user.ID, clean, searchKey(clean)); err != nil {
		return nil, err
	}
	s.Sessions.Forget(user.ID)
	changed := *user
	changed.Name, changed.NameKey = clean, searchKey(clean)
	return &changed, nil
}

// User returns one account, or models.ErrNotFound.
func (s *Service) User(ctx context.Context, id string) (*models.User, error) {
	if uuid.Validate(id) != nil || len(id) != 36 {
		return nil, models.ErrNotFound
	}
	return s.Store.UserByID(ctx, id)
}

// UserQuery asks for a page of accounts. The zero value of a field, but of First, is no restriction.
type UserQuery struct {
	First  int    // 1 to 100
	After  string // a cursor of UserPage
	Search string // what the name or the address begins with
	Role   string // exactly this role
}

// UserPage is a page of accounts, oldest first.
type UserPage struct {
	Users []*models.User
	More  bool
}

// Cursor is where an account stands among all; it stays good whatever is inserted or deleted.
func Cursor(u *models.User) string { return cursor(u.ID) }

const maxPage = 100

// Users returns a page of accounts. It returns *InputError.
func (s *Service) Users(ctx context.Context, q UserQuery) (*UserPage, error) {
	var check inputCheck
	if q.First < 1 || q.First > maxPage {
		check.field("first", "must be 1 to 100")
	}
	after, ok := cursorID(q.After)
	if !ok {
		check.field("after", "must be the endCursor of an earlier page")
	}
	if len(q.Search) > maxEmailBytes {
		check.field("search", "must have at most 254 bytes")
	}
	if q.Role != "" && !s.Policy.Known(q.Role) { // GraphQL's parser takes "admin" in a variable for ADMIN
		check.field("role", s.oneOfTheRoles())
	}
	if err := check.err(); err != nil {
		return nil, err
	}
	users, err := s.Store.Users(ctx, models.UserFilter{
		Prefix: searchKey(strings.TrimSpace(q.Search)), Role: q.Role, After: after, Limit: q.First + 1,
	})
	if err != nil {
		return nil, err
	}
	if len(users) > q.First {
		return &UserPage{users[:q.First], true}, nil
	}
	return &UserPage{users, false}, nil
}

func (s *Service) unknownRole() error {
	return invalid("role", s.oneOfTheRoles())
}

func (s *Service) oneOfTheRoles() string {
	return "must be one of " + strings.Join(s.Policy.Roles(), ", ")
}
