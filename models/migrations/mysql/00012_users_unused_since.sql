-- +goose Up
-- The time since which an account waits for its first session. A registration that opens no session sets it. It is
-- NULL from the first session on, and for accounts that are older than this column.
--
-- One ALTER TABLE, so that it is applied completely or not at all. MySQL has no ADD COLUMN IF NOT EXISTS: if the
-- column exists, the executed statement does nothing.
SET @unused = IF(
  EXISTS (SELECT 1 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'users' AND column_name = 'unused_since'),
  'DO 0',
  'ALTER TABLE users
    ADD COLUMN unused_since DATETIME(3) NULL,
    ADD KEY users_unused_since (unused_since),
    ALGORITHM=INPLACE, LOCK=NONE');
PREPARE unused FROM @unused;
EXECUTE unused;
DEALLOCATE PREPARE unused;

-- +goose Down
ALTER TABLE users
  DROP KEY users_unused_since,
  DROP COLUMN unused_since;
