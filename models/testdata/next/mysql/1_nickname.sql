-- +goose Up
SET @nickname = IF(
  EXISTS (SELECT 1 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'users' AND column_name = 'nickname'),
  'DO 0',
  'ALTER TABLE users
    ADD COLUMN nickname VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    ALGORITHM=INSTANT');
PREPARE nickname FROM @nickname;
EXECUTE nickname;
DEALLOCATE PREPARE nickname;
