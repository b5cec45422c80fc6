-- +goose Up
-- One row a key of a rate limit: until when, in microseconds, it is used up. Where an account was signed in from
-- stands here too: until when that address is known.
CREATE TABLE limits (
  id    BLOB    NOT NULL PRIMARY KEY,
  until INTEGER NOT NULL
);
CREATE INDEX limits_until ON limits (until);

-- +goose Down
DROP TABLE limits;
