-- +goose Up
-- For the due mails of one priority, the longest waiting first.
CREATE INDEX mails_by_priority ON mails (priority, due_at, id);

-- +goose Down
DROP INDEX mails_by_priority;
