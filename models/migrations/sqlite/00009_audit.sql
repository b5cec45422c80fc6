-- +goose Up
-- The audit log. Rows are inserted, and deleted when they are old. Deleting an account clears its addresses.
CREATE TABLE audit (
  id         TEXT     NOT NULL PRIMARY KEY,
  event      TEXT     NOT NULL,
  detail     TEXT     NULL,
  user_id    TEXT     NULL,
  actor_id   TEXT     NULL,
  session_id TEXT     NULL,
  ip         TEXT     NULL,
  user_agent TEXT     NULL,
  created_at DATETIME NOT NULL
);
CREATE INDEX audit_user_id ON audit (user_id, id);
CREATE INDEX audit_actor_id ON audit (actor_id, id);
CREATE INDEX audit_created_at ON audit (created_at);

-- +goose Down
DROP TABLE audit;
