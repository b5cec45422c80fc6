-- +goose Up
-- The time since which an account waits for its first session. A registration that opens no session sets it. It is
-- NULL from the first session on, and for accounts that are older than this column.
ALTER TABLE users ADD COLUMN unused_since DATETIME NULL;
CREATE INDEX users_unused_since ON users (unused_since);

-- +goose Down
DROP INDEX users_unused_since;
ALTER TABLE users DROP COLUMN unused_since;
