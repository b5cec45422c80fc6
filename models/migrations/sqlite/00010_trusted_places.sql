-- +goose Up
-- Devices and networks from which the owner of an account has signed in: limits by account and by address do not
-- lock them out. A place is a hash.
CREATE TABLE trusted_places (
  id         BLOB     NOT NULL PRIMARY KEY,
  user_id    TEXT     NOT NULL,
  place      BLOB     NOT NULL,
  expires_at DATETIME NOT NULL
);
CREATE INDEX trusted_places_user_id ON trusted_places (user_id);
CREATE INDEX trusted_places_expires_at ON trusted_places (expires_at);

-- +goose Down
DROP TABLE trusted_places;
