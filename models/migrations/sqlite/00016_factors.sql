-- +goose Up
-- The second factors of users. The secret is encrypted with a key that is not in the database.
CREATE TABLE factors (
  id           TEXT     NOT NULL PRIMARY KEY,
  user_id      TEXT     NOT NULL,
  kind         TEXT     NOT NULL,
  secret       BLOB     NOT NULL,
  last_step    INTEGER  NOT NULL,
  failures     INTEGER  NOT NULL,
  created_at   DATETIME NOT NULL,
  last_used_at DATETIME NULL
);
CREATE UNIQUE INDEX factors_user_id_kind ON factors (user_id, kind);

-- Recovery codes that were not used yet, as hashes.
CREATE TABLE recovery_codes (
  hash       BLOB     NOT NULL PRIMARY KEY,
  user_id    TEXT     NOT NULL,
  created_at DATETIME NOT NULL
);
CREATE INDEX recovery_codes_user_id ON recovery_codes (user_id);

-- Sign-ins that wait for a second factor, and second factors that wait for their first code.
CREATE TABLE challenges (
  id          TEXT     NOT NULL PRIMARY KEY,
  hash        BLOB     NOT NULL,
  user_id     TEXT     NOT NULL,
  purpose     TEXT     NOT NULL,
  epoch       INTEGER  NOT NULL,
  remember_me BOOLEAN  NOT NULL,
  secret      BLOB     NULL,
  attempts    INTEGER  NOT NULL,
  created_at  DATETIME NOT NULL,
  expires_at  DATETIME NOT NULL
);
CREATE UNIQUE INDEX challenges_hash ON challenges (hash);
CREATE INDEX challenges_user_id ON challenges (user_id);
CREATE INDEX challenges_expires_at ON challenges (expires_at);

-- +goose Down
DROP TABLE challenges;
DROP TABLE recovery_codes;
DROP TABLE factors;
