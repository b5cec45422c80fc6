-- contract: since 00010 nothing reads users.nickname
-- +goose Up
SET @no_nickname = IF(
  EXISTS (SELECT 1 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'users' AND column_name = 'nickname'),
  'ALTER TABLE users DROP COLUMN nickname, ALGORITHM=INSTANT',
  'DO 0');
PREPARE no_nickname FROM @no_nickname;
EXECUTE no_nickname;
DEALLOCATE PREPARE no_nickname;
