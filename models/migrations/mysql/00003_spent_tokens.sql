-- +goose Up
-- Refresh tokens whose successors have been rotated too: their use reveals theft.
CREATE TABLE IF NOT EXISTS spent_tokens (
  hash       BINARY(32)  NOT NULL,
  session_id CHAR(36)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  expires_at DATETIME(3) NOT NULL,
  PRIMARY KEY (hash),
  KEY spent_tokens_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE spent_tokens;
