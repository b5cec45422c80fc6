-- +goose Up
CREATE TABLE users (
  id                TEXT     NOT NULL PRIMARY KEY,
  email             TEXT     NOT NULL,
  email_key         TEXT     NOT NULL,
  email_verified_at DATETIME NULL,
  name              TEXT     NOT NULL,
  name_key          TEXT     NOT NULL,
  password_hash     TEXT     NOT NULL,
  role              TEXT     NOT NULL,
  session_epoch     INTEGER  NOT NULL,
  created_at        DATETIME NOT NULL,
  updated_at        DATETIME NOT NULL,
  disabled_at       DATETIME NULL
);
CREATE UNIQUE INDEX users_email_key ON users (email_key);
CREATE INDEX users_name_key ON users (name_key);
CREATE INDEX users_role ON users (role);

-- +goose Down
DROP TABLE users;
