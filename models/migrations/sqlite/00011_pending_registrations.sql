-- +goose Up
-- Registrations that replace an account's name and password when the link in their mail is confirmed. The id is that
-- of the mail and of its one-time token.
CREATE TABLE pending_registrations (
  id            TEXT     NOT NULL PRIMARY KEY,
  user_id       TEXT     NOT NULL,
  name          TEXT     NOT NULL,
  name_key      TEXT     NOT NULL,
  password_hash TEXT     NOT NULL,
  created_at    DATETIME NOT NULL,
  expires_at    DATETIME NOT NULL
);
CREATE INDEX pending_registrations_user_id ON pending_registrations (user_id);
CREATE INDEX pending_registrations_expires_at ON pending_registrations (expires_at);

-- +goose Down
DROP TABLE pending_registrations;
