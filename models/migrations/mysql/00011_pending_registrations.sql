-- +goose Up
-- Registrations that replace an account's name and password when the link in their mail is confirmed. The id is that
-- of the mail and of its one-time token.
CREATE TABLE IF NOT EXISTS pending_registrations (
  id            CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  user_id       CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  name          VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  name_key      VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  password_hash VARCHAR(100) CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  created_at    DATETIME(3)  NOT NULL,
  expires_at    DATETIME(3)  NOT NULL,
  PRIMARY KEY (id),
  KEY pending_registrations_user_id (user_id),
  KEY pending_registrations_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE pending_registrations;
