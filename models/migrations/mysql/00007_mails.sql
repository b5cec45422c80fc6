-- +goose Up
-- Unsent mails: inserted in the transaction that causes them, deleted when a mail server has accepted them. They
-- contain no tokens.
CREATE TABLE IF NOT EXISTS mails (
  id         CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  kind       VARCHAR(32)  CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  user_id    CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NULL,
  email      VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  email_key  VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  new_email  VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  language   VARCHAR(35)  CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  created_at DATETIME(3)  NOT NULL,
  due_at     DATETIME(3)  NOT NULL,
  attempts   BIGINT       NOT NULL,
  claim      CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NULL,
  PRIMARY KEY (id),
  KEY mails_due_at (due_at),
  KEY mails_user_id (user_id),
  KEY mails_email_key (email_key)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE mails;
