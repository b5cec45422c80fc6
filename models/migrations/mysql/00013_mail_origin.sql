-- +goose Up
-- For the rate limits and the text of a mail: its priority (0 first), the account or network that requested it (a
-- hash), the trusted place (a hash) and address of the request, and a role or a count for the text.
SET @mail_origin = IF(
  EXISTS (SELECT 1 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'mails' AND column_name = 'priority'),
  'DO 0',
  'ALTER TABLE mails
    ADD COLUMN priority BIGINT      NOT NULL DEFAULT 1,
    ADD COLUMN asker    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN place    BINARY(32)  NULL,
    ADD COLUMN ip       VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN detail   VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ALGORITHM=INSTANT');
PREPARE mail_origin FROM @mail_origin;
EXECUTE mail_origin;
DEALLOCATE PREPARE mail_origin;

-- +goose Down
ALTER TABLE mails DROP COLUMN detail, DROP COLUMN ip, DROP COLUMN place, DROP COLUMN asker, DROP COLUMN priority;
