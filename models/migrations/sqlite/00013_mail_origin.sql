-- +goose Up
-- For the rate limits and the text of a mail: its priority (0 first), the account or network that requested it (a
-- hash), the trusted place (a hash) and address of the request, and a role or a count for the text.
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
