-- +goose Up
-- The mails of one priority that are due, the one that waits longest first.
CREATE INDEX mails_by_priority ON mails (priority, due_at, id);

-- +goose Down
DROP INDEX mails_by_priority;
