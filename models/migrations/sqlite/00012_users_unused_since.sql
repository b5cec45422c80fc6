-- +goose Up
-- Since when an account waits for its first session: set at a registration that opens none, NULL from the first
-- session on, and for accounts that are older than this column.
ALTER TABLE users ADD COLUMN unused_since DATETIME NULL;
CREATE INDEX users_unused_since ON users (unused_since);

-- +goose Down
DROP INDEX users_unused_since;
ALTER TABLE users DROP COLUMN unused_since;
