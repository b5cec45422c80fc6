-- +goose Up
-- One row per key of a rate limit: the time, in microseconds, until which it is used up. Addresses from which an
-- account has signed in are stored here too, with the time until which they are known.
CREATE TABLE limits (
  id    BLOB    NOT NULL PRIMARY KEY,
  until INTEGER NOT NULL
);
CREATE INDEX limits_until ON limits (until);

-- +goose Down
DROP TABLE limits;
