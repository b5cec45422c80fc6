// Package sample is a small API with all that the server's own schema has none of: interfaces, unions, nested lists, and
// objects that anybody may reach whoever they belong to. The tests of package policytest prove the proof with it.
//
// Each gated field is a method or a resolver that counts its runs. What it holds is made up from a person's id.
package sample

import (
	"context"
	"maps"
	"sync"
)

//go:generate go tool gqlgen generate
//go:generate go tool gofumpt -w exec.go types.go

// Sample answers the fields of the sample's schema.
type Sample struct {
	Empty bool // it holds no notes, tasks and tags

	mu   sync.Mutex
	runs map[string]int
}

// New has run nothing yet.
func New() *Sample { return &Sample{runs: map[string]int{}} }

// Runs is how often each gated field was resolved, by coordinate.
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

// Entry is what belongs to somebody.
type Entry interface{ isEntry() }

// Found is what a search finds.
type Found interface{ isFound() }

// Author is a person, as everybody may see them.
type Author struct{ ID string }

// Note is one that belongs to a person.
type Note struct {
	sample  *Sample
	ownerID string
}

// Task is something that a person means to do.
type Task struct {
	sample  *Sample
	ownerID string
}

// Tag belongs to nobody.
type Tag struct{ sample *Sample }

// Shelf holds boxes.
type Shelf struct{ sample *Sample }

// Box belongs to nobody.
type Box struct{ sample *Sample }

// Audit is about everybody.
type Audit struct{ sample *Sample }

func (*Note) isEntry() {}
func (*Task) isEntry() {}
func (*Note) isFound() {}
func (*Task) isFound() {}
func (*Tag) isFound()  {}

// OwnerID is what the rule orOwner asks.
func (n *Note) OwnerID() string { return n.ownerID }

// ID is an id of its own.
func (n *Note) ID() string { return "note-" + n.ownerID }

// Author is the owner.
func (n *Note) Author() *Author { return &Author{n.ownerID} }

// Title is for everybody.
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

// OwnerID is what the rule orOwner asks.
func (t *Task) OwnerID() string { return t.ownerID }

// ID is an id of its own.
func (t *Task) ID() string { return "task-" + t.ownerID }

// Author is the owner.
func (t *Task) Author() *Author { return &Author{t.ownerID} }

// Effort is gated.
func (t *Task) Effort() *int32 { t.sample.recordRun("Task.effort"); return new(int32(5)) }

// Name is for everybody.
func (t *Tag) Name() string { return "a name" }

// Origin is gated.
func (t *Tag) Origin() *string {
	t.sample.recordRun("Tag.origin")
	return new("where the tag comes from")
}

// Name is for everybody.
func (s *Shelf) Name() string { return "a shelf" }

// Boxes has as many as are asked for, and two at most.
func (s *Shelf) Boxes(first int32) []*Box {
	return []*Box{{s.sample}, {s.sample}}[:min(first, 2)]
}

// Name is for everybody.
func (b *Box) Name() string { return "a box" }

// Lid is gated.
func (b *Box) Lid() *string { b.sample.recordRun("Box.lid"); return new("the lid of the box") }

// Lines is for everybody who gets here.
func (a *Audit) Lines() int32 { return 3 }

// Secret is gated.
func (a *Audit) Secret() *string {
	a.sample.recordRun("Audit.secret")
	return new("the secret of the audit")
}

// Query answers the fields of Query.
func (s *Sample) Query() QueryResolver { return query{s} }

// Mutation answers the fields of Mutation.
func (s *Sample) Mutation() MutationResolver { return mutation{s} }

// Note answers the fields of Note that are no methods of it.
func (s *Sample) Note() NoteResolver { return note{s} }

// Task answers the fields of Task that are no methods of it.
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

// otherOwner owns what a list holds besides what was asked for.
const otherOwner = "somebody-else"

func (q query) Note(_ context.Context, person string) (*Note, error) {
	return &Note{q.Sample, person}, nil
}

func (q query) Entries(_ context.Context, person string) ([]Entry, error) {
	if q.Empty {
		return nil, nil
	}
	return []Entry{&Note{q.Sample, person}, &Task{q.Sample, otherOwner}, &Task{q.Sample, person}, &Note{q.Sample, otherOwner}}, nil
}

func (q query) Findings(_ context.Context, person string) ([][]Found, error) {
	if q.Empty {
		return nil, nil
	}
	return [][]Found{{&Tag{q.Sample}, &Task{q.Sample, person}}, {}, {&Note{q.Sample, person}, &Note{q.Sample, otherOwner}}}, nil
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

func (m mutation) Touch(_ context.Context, person string) (*Touched, error) {
	return &Touched{&Note{m.Sample, person}}, nil
}

func (m mutation) Write(context.Context, NoteInput) (*Note, error) {
	m.recordRun("Mutation.write")
	return &Note{m.Sample, otherOwner}, nil
}

func (m mutation) Wipe(context.Context) (*bool, error) {
	m.recordRun("Mutation.wipe")
	return new(true), nil
}
