-- +goose Up
-- When and how the user of a session proved their identity. NULL in sessions that an older server opened: those were
-- proven with a password when they were created.
--
-- One ALTER TABLE, which is done or not done. MySQL has no ADD COLUMN IF NOT EXISTS: where the columns exist already,
-- the statement that runs does nothing.
SET @proof = IF(
  EXISTS (SELECT 1 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'sessions' AND column_name = 'proved_at'),
  'DO 0',
  'ALTER TABLE sessions
    ADD COLUMN proved_at DATETIME(3) NULL,
    ADD COLUMN second_proved_at DATETIME(3) NULL,
    ADD COLUMN methods VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ALGORITHM=INPLACE, LOCK=NONE');
PREPARE proof FROM @proof;
EXECUTE proof;
DEALLOCATE PREPARE proof;

-- +goose Down
ALTER TABLE sessions
  DROP COLUMN methods,
  DROP COLUMN second_proved_at,
  DROP COLUMN proved_at;
