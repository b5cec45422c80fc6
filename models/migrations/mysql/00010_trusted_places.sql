-- +goose Up
-- Devices and networks from which the owner of an account has signed in: limits by account and by address do not
-- lock them out. A place is a hash.
CREATE TABLE IF NOT EXISTS trusted_places (
  id         BINARY(32)  NOT NULL,
  user_id    CHAR(36)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  place      BINARY(32)  NOT NULL,
  expires_at DATETIME(3) NOT NULL,
  PRIMARY KEY (id),
  KEY trusted_places_user_id (user_id),
  KEY trusted_places_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE trusted_places;
