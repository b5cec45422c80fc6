-- +goose Up
-- One row a key of a rate limit: until when, in microseconds, it is used up. Where an account was signed in from
-- stands here too: until when that address is known.
CREATE TABLE IF NOT EXISTS limits (
  id    BINARY(32) NOT NULL,
  until BIGINT     NOT NULL,
  PRIMARY KEY (id),
  KEY limits_until (until)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE limits;
