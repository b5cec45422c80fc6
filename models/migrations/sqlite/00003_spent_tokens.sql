-- +goose Up
-- Refresh tokens whose successors have been rotated too: their use reveals theft.
CREATE TABLE spent_tokens (
  hash       BLOB     NOT NULL PRIMARY KEY,
  session_id TEXT     NOT NULL,
  expires_at DATETIME NOT NULL
);
CREATE INDEX spent_tokens_expires_at ON spent_tokens (expires_at);

-- +goose Down
DROP TABLE spent_tokens;
