-- +goose Up
CREATE TABLE sessions (
  id           TEXT     NOT NULL PRIMARY KEY,
  user_id      TEXT     NOT NULL,
  epoch        INTEGER  NOT NULL,
  refresh_hash BLOB     NOT NULL,
  parent_hash  BLOB     NULL,
  nonce        BLOB     NULL,
  rotated_at   DATETIME NULL,
  remember_me  BOOLEAN  NOT NULL,
  ip           TEXT     NULL,
  user_agent   TEXT     NULL,
  created_at   DATETIME NOT NULL,
  last_used_at DATETIME NOT NULL,
  expires_at   DATETIME NOT NULL
);
CREATE UNIQUE INDEX sessions_refresh_hash ON sessions (refresh_hash);
CREATE UNIQUE INDEX sessions_parent_hash ON sessions (parent_hash);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- +goose Down
DROP TABLE sessions;
