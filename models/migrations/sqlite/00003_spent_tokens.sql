-- +goose Up
-- The refresh tokens that are older still: whoever brings one has stolen it, or was stolen from.
CREATE TABLE spent_tokens (
  hash       BLOB     NOT NULL PRIMARY KEY,
  session_id TEXT     NOT NULL,
  expires_at DATETIME NOT NULL
);
CREATE INDEX spent_tokens_expires_at ON spent_tokens (expires_at);

-- +goose Down
DROP TABLE spent_tokens;
