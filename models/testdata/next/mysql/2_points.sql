-- +goose Up
SET @points = IF(
  EXISTS (SELECT 1 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'users' AND column_name = 'points'),
  'DO 0',
  'ALTER TABLE users ADD COLUMN points BIGINT NOT NULL DEFAULT 7, ALGORITHM=INSTANT');
PREPARE points FROM @points;
EXECUTE points;
DEALLOCATE PREPARE points;
