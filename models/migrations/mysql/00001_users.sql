-- +goose Up
-- Keys are compared byte by byte (…_bin): Go code decides which addresses are equal, for every database.
CREATE TABLE IF NOT EXISTS users (
  id                CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  email             VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  email_key         VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  email_verified_at DATETIME(3)  NULL,
  name              VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  name_key          VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  password_hash     VARCHAR(100) CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  role              VARCHAR(64)  CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  session_epoch     BIGINT       NOT NULL,
  created_at        DATETIME(3)  NOT NULL,
  updated_at        DATETIME(3)  NOT NULL,
  disabled_at       DATETIME(3)  NULL,
  PRIMARY KEY (id),
  UNIQUE KEY users_email_key (email_key),
  KEY users_name_key (name_key),
  KEY users_role (role)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE users;
