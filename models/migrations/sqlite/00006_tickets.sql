-- +goose Up
-- One-time tokens of links in mails. A user has one token per slot; tokens without a slot add up.
CREATE TABLE tickets (
  id         TEXT     NOT NULL PRIMARY KEY,
  hash       BLOB     NOT NULL,
  user_id    TEXT     NOT NULL,
  purpose    TEXT     NOT NULL,
  slot       TEXT     NULL,
  email      TEXT     NOT NULL,
  email_key  TEXT     NOT NULL,
  expires_at DATETIME NOT NULL
);
CREATE UNIQUE INDEX tickets_hash ON tickets (hash);
CREATE UNIQUE INDEX tickets_slot ON tickets (user_id, slot);
CREATE INDEX tickets_email_key ON tickets (email_key);
CREATE INDEX tickets_expires_at ON tickets (expires_at);

-- +goose Down
DROP TABLE tickets;
