-- +goose Up
CREATE TABLE IF NOT EXISTS sessions (
  id           CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  user_id      CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  epoch        BIGINT       NOT NULL,
  refresh_hash BINARY(32)   NOT NULL,
  parent_hash  BINARY(32)   NULL,
  nonce        BINARY(32)   NULL,
  rotated_at   DATETIME(3)  NULL,
  remember_me  BOOLEAN      NOT NULL,
  ip           VARCHAR(45)  CHARACTER SET ascii   COLLATE ascii_bin   NULL,
  user_agent   VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  created_at   DATETIME(3)  NOT NULL,
  last_used_at DATETIME(3)  NOT NULL,
  expires_at   DATETIME(3)  NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY sessions_refresh_hash (refresh_hash),
  UNIQUE KEY sessions_parent_hash (parent_hash),
  KEY sessions_user_id (user_id),
  KEY sessions_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE sessions;
