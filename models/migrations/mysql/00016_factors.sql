-- +goose Up
-- The second factors of users. The secret is encrypted with a key that is not in the database.
CREATE TABLE IF NOT EXISTS factors (
  id           CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_id      CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  kind         VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  secret       VARBINARY(255) NOT NULL,
  last_step    BIGINT         NOT NULL,
  failures     BIGINT         NOT NULL,
  created_at   DATETIME(3)    NOT NULL,
  last_used_at DATETIME(3)    NULL,
  PRIMARY KEY (id),
  UNIQUE KEY factors_user_id_kind (user_id, kind)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Recovery codes that were not used yet, as hashes.
CREATE TABLE IF NOT EXISTS recovery_codes (
  hash       BINARY(32)  NOT NULL,
  user_id    CHAR(36)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at DATETIME(3) NOT NULL,
  PRIMARY KEY (hash),
  KEY recovery_codes_user_id (user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Sign-ins that wait for a second factor, and second factors that wait for their first code.
CREATE TABLE IF NOT EXISTS challenges (
  id          CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  hash        BINARY(32)     NOT NULL,
  user_id     CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  purpose     VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  epoch       BIGINT         NOT NULL,
  remember_me BOOLEAN        NOT NULL,
  secret      VARBINARY(255) NULL,
  attempts    BIGINT         NOT NULL,
  created_at  DATETIME(3)    NOT NULL,
  expires_at  DATETIME(3)    NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY challenges_hash (hash),
  KEY challenges_user_id (user_id),
  KEY challenges_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE challenges;
DROP TABLE recovery_codes;
DROP TABLE factors;
