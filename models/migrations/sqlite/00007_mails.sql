-- +goose Up
-- Unsent mails: inserted in the transaction that causes them, deleted when a mail server has accepted them. They
-- contain no tokens.
CREATE TABLE mails (
  id         TEXT     NOT NULL PRIMARY KEY,
  kind       TEXT     NOT NULL,
  user_id    TEXT     NULL,
  email      TEXT     NOT NULL,
  email_key  TEXT     NOT NULL,
  new_email  TEXT     NULL,
  language   TEXT     NOT NULL,
  created_at DATETIME NOT NULL,
  due_at     DATETIME NOT NULL,
  attempts   INTEGER  NOT NULL,
  claim      TEXT     NULL
);
CREATE INDEX mails_due_at ON mails (due_at);
CREATE INDEX mails_user_id ON mails (user_id);
CREATE INDEX mails_email_key ON mails (email_key);

-- +goose Down
DROP TABLE mails;
