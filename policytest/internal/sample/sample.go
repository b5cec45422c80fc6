// Package sample is a small API with features that the server's own schema does not have:
// interfaces, unions, nested lists, and objects of other users that every request can reach. The
// tests of package policytest use it.
//
// Each gated field is a method or a resolver that counts its runs. Its values contain the owner's
// id.
package sample

import (
	"context"
	"maps"
	"sync"
)

//go:generate go tool gqlgen generate
//go:generate go tool gofumpt -w exec.go types.go

// Sample resolves the fields of the sample's schema.
type Sample struct {
	Empty bool // the queries return no objects

	mu   sync.Mutex
	runs map[string]int
}

// New returns a sample that has counted no runs.
func New() *Sample { return &Sample{runs: map[string]int{}} }

// Runs returns how often each gated field was resolved, by coordinate.
func (s *Sample) Runs() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.runs)
}

func (s *Sample) recordRun(coordinate string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs[coordinate]++
}

// Entry is an object with an owner.
type Entry interface{ isEntry() }

// Found is a result of a search.
type Found interface{ isFound() }

// Author is the public part of a user.
type Author struct{ ID string }

// Note is a note of a user.
type Note struct {
	sample  *Sample
	ownerID string
}

// Task is a task of a user.
type Task struct {
	sample  *Sample
	ownerID string
}

// Tag has no owner.
type Tag struct{ sample *Sample }

// Shelf holds boxes.
type Shelf struct{ sample *Sample }

// Box has no owner.
type Box struct{ sample *Sample }

// Audit is about all users.
type Audit struct{ sample *Sample }

func (*Note) isEntry() {}
func (*Task) isEntry() {}
func (*Note) isFound() {}
func (*Task) isFound() {}
func (*Tag) isFound()  {}

// OwnerID returns the id of the owner, for orOwner.
func (n *Note) OwnerID() string { return n.ownerID }

// ID returns the object's id.
func (n *Note) ID() string { return "note-" + n.ownerID }

// Author returns the owner.
func (n *Note) Author() *Author { return &Author{n.ownerID} }

// Title is open.
func (n *Note) Title() string { return "a title" }

// Tags are gated.
func (n *Note) Tags() []string {
	n.sample.recordRun("Note.tags")
	return []string{"first tag of note-" + n.ownerID, "second tag of note-" + n.ownerID}
}

// Marked is gated.
func (n *Note) Marked(with Mood) *string {
	n.sample.recordRun("Note.marked")
	return new("marked " + string(with) + ", note-" + n.ownerID)
}

// Draft is gated.
func (n *Note) Draft() *string {
	n.sample.recordRun("Note.draft")
	return new("the draft of note-" + n.ownerID)
}

// OwnerID returns the id of the owner, for orOwner.
func (t *Task) OwnerID() string { return t.ownerID }

// ID returns the object's id.
func (t *Task) ID() string { return "task-" + t.ownerID }

// Author returns the owner.
func (t *Task) Author() *Author { return &Author{t.ownerID} }

// Effort is gated.
func (t *Task) Effort() *int32 { t.sample.recordRun("Task.effort"); return new(int32(5)) }

// Name is open.
func (t *Tag) Name() string { return "a name" }

// Origin is gated.
func (t *Tag) Origin() *string {
	t.sample.recordRun("Tag.origin")
	return new("where the tag comes from")
}

// Name is open.
func (s *Shelf) Name() string { return "a shelf" }

// Boxes returns first boxes, at most two.
func (s *Shelf) Boxes(first int32) []*Box {
	return []*Box{{s.sample}, {s.sample}}[:min(first, 2)]
}

// Name is open.
func (b *Box) Name() string { return "a box" }

// Lid is gated.
func (b *Box) Lid() *string { b.sample.recordRun("Box.lid"); return new("the lid of the box") }

// Lines is open.
func (a *Audit) Lines() int32 { return 3 }

// Secret is gated.
func (a *Audit) Secret() *string {
	a.sample.recordRun("Audit.secret")
	return new("the secret of the audit")
}

// Query resolves the fields of Query.
func (s *Sample) Query() QueryResolver { return query{s} }

// Mutation resolves the fields of Mutation.
func (s *Sample) Mutation() MutationResolver { return mutation{s} }

// Note resolves the fields of Note that have no method.
func (s *Sample) Note() NoteResolver { return note{s} }

// Task resolves the fields of Task that have no method.
func (s *Sample) Task() TaskResolver { return task{s} }

type (
	query    struct{ *Sample }
	mutation struct{ *Sample }
	note     struct{ *Sample }
	task     struct{ *Sample }
)

func (n note) Text(_ context.Context, obj *Note, _ int32) (*string, error) {
	n.recordRun("Note.text")
	return new("the text of " + obj.ID()), nil
}

func (t task) Text(_ context.Context, obj *Task, _ int32) (*string, error) {
	t.recordRun("Task.text")
	return new("the text of " + obj.ID()), nil
}

func (q query) Shelves(_ context.Context, _ string, _ int32) ([]*Shelf, error) {
	if q.Empty {
		return nil, nil
	}
	return []*Shelf{{q.Sample}}, nil
}

// otherOwner owns objects in lists that are not the requested user's.
const otherOwner = "another-user"

func (q query) Note(_ context.Context, owner string) (*Note, error) {
	return &Note{q.Sample, owner}, nil
}

func (q query) Entries(_ context.Context, owner string) ([]Entry, error) {
	if q.Empty {
		return nil, nil
	}
	return []Entry{&Note{q.Sample, owner}, &Task{q.Sample, otherOwner}, &Task{q.Sample, owner}, &Note{q.Sample, otherOwner}}, nil
}

func (q query) Findings(_ context.Context, owner string) ([][]Found, error) {
	if q.Empty {
		return nil, nil
	}
	return [][]Found{{&Tag{q.Sample}, &Task{q.Sample, owner}}, {}, {&Note{q.Sample, owner}, &Note{q.Sample, otherOwner}}}, nil
}

func (q query) Mine(context.Context) ([]*Note, error) {
	q.recordRun("Query.mine")
	return []*Note{{q.Sample, otherOwner}, nil}, nil
}

func (q query) Audit(context.Context) (*Audit, error) {
	q.recordRun("Query.audit")
	return &Audit{q.Sample}, nil
}

func (q query) Total(context.Context) (*int32, error) {
	q.recordRun("Query.total")
	return new(int32(7)), nil
}

func (q query) Plan(context.Context) (*string, error) {
	q.recordRun("Query.plan")
	return new("the plan"), nil
}

func (m mutation) Touch(_ context.Context, owner string) (*Touched, error) {
	return &Touched{&Note{m.Sample, owner}}, nil
}

func (m mutation) Write(context.Context, NoteInput) (*Note, error) {
	m.recordRun("Mutation.write")
	return &Note{m.Sample, otherOwner}, nil
}

func (m mutation) Wipe(context.Context) (*bool, error) {
	m.recordRun("Mutation.wipe")
	return new(true), nil
}

func (m mutation) Pay(context.Context) (*bool, error) {
	m.recordRun("Mutation.pay")
	return new(true), nil
}
