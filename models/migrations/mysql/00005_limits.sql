-- +goose Up
-- One row per key of a rate limit: the time, in microseconds, until which it is used up. Addresses from which an
-- account has signed in are stored here too, with the time until which they are known.
CREATE TABLE IF NOT EXISTS limits (
  id    BINARY(32) NOT NULL,
  until BIGINT     NOT NULL,
  PRIMARY KEY (id),
  KEY limits_until (until)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE limits;
