-- +goose Up
-- What a mail's budget and its text need: how urgent it is (0 first), which account or network asked for it (a hash), from
-- which trusted place (a hash) and address, and a role or a count that its text names.
ALTER TABLE mails ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;
ALTER TABLE mails ADD COLUMN asker TEXT NULL;
ALTER TABLE mails ADD COLUMN place BLOB NULL;
ALTER TABLE mails ADD COLUMN ip TEXT NULL;
ALTER TABLE mails ADD COLUMN detail TEXT NULL;

-- +goose Down
ALTER TABLE mails DROP COLUMN detail;
ALTER TABLE mails DROP COLUMN ip;
ALTER TABLE mails DROP COLUMN place;
ALTER TABLE mails DROP COLUMN asker;
ALTER TABLE mails DROP COLUMN priority;
