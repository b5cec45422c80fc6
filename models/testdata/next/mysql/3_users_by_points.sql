-- +goose Up
SET @by_points = IF(
  EXISTS (SELECT 1 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'users' AND index_name = 'users_by_points'),
  'DO 0',
  'ALTER TABLE users ADD KEY users_by_points (points, id), ALGORITHM=INPLACE, LOCK=NONE');
PREPARE by_points FROM @by_points;
EXECUTE by_points;
DEALLOCATE PREPARE by_points;
