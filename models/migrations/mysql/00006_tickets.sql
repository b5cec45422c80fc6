-- +goose Up
-- One-time tokens of links in mails. A user has one token per slot; tokens without a slot add up.
CREATE TABLE IF NOT EXISTS tickets (
  id         CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  hash       BINARY(32)   NOT NULL,
  user_id    CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  purpose    VARCHAR(32)  CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  slot       VARCHAR(32)  CHARACTER SET ascii   COLLATE ascii_bin   NULL,
  email      VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  email_key  VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  expires_at DATETIME(3)  NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY tickets_hash (hash),
  UNIQUE KEY tickets_slot (user_id, slot),
  KEY tickets_email_key (email_key),
  KEY tickets_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE tickets;
