// Package notes is an example feature: notes that users write, and that only the author and STAFF
// can read.
//
// To add it to the server, copy this folder to app/notes and resolvers.go.txt to
// graph/notes.resolvers.go. Then add the service to app/app.go and run go generate ./...
// (docs/extend.md).
package notes

import (
	"context"
	"embed"

	"fieldgate/extend"
	"fieldgate/fgerr"
	"fieldgate/models"
)

// Note is a row of the table notes, and the type Note of the schema.
type Note struct {
	ID       string `gorm:"primaryKey"` // a UUIDv7, which sorts by time
	AuthorID string
	Author   *models.User
	Text     string `gorm:"size:1000"`
}

// OwnerID returns the author's id, for orOwner in the schema.
func (n *Note) OwnerID() string { return n.AuthorID }

//go:embed migrations
var migrations embed.FS

// Service implements the rules and the queries of notes.
type Service struct{ store *models.Store }

// New creates the service and registers the feature.
func New(r *extend.Registry) *Service {
	s := &Service{store: r.Store}
	r.Add(extend.Feature{
		Name:       "notes",
		Migrations: migrations,
		Tables:     []models.Table{{Row: &Note{}, Indexes: []string{"author_id,id"}}},
		Hooks:      extend.Hooks{UserDeleted: deleteNotesOf},
	})
	return s
}

// Add creates a note. It returns BAD_USER_INPUT if the text is empty or longer than 1,000 bytes.
func (s *Service) Add(ctx context.Context, author *models.User, text string) (*Note, error) {
	if text == "" || len(text) > 1000 {
		return nil, fgerr.InvalidInput(fgerr.FieldError{Name: "text", Message: "must have 1 to 1,000 bytes"})
	}
	note := &Note{ID: models.NewID(), AuthorID: author.ID, Author: author, Text: text}
	return note, s.store.DB(ctx).Omit("Author").Create(note).Error
}

// Of returns the newest 100 notes of a user, with their author.
func (s *Service) Of(ctx context.Context, authorID string) (list []*Note, err error) {
	if !models.ValidID(authorID) {
		return nil, models.ErrNotFound
	}
	err = s.store.DB(ctx).InnerJoins("Author").Where("author_id = ?", authorID).
		Order("notes.id DESC").Limit(100).Find(&list).Error
	return list, err
}

// deleteNotesOf deletes a user's notes, in the transaction that deletes the user.
func deleteNotesOf(ctx context.Context, tx *models.Store, user *models.User) error {
	return tx.DB(ctx).Where("author_id = ?", user.ID).Delete(&Note{}).Error
}
