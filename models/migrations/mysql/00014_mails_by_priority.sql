-- +goose Up
-- For the due mails of one priority, the longest waiting first.
SET @mails_by_priority = IF(
  EXISTS (SELECT 1 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'mails' AND index_name = 'mails_by_priority'),
  'DO 0',
  'ALTER TABLE mails ADD KEY mails_by_priority (priority, due_at, id), ALGORITHM=INPLACE, LOCK=NONE');
PREPARE mails_by_priority FROM @mails_by_priority;
EXECUTE mails_by_priority;
DEALLOCATE PREPARE mails_by_priority;

-- +goose Down
ALTER TABLE mails DROP KEY mails_by_priority;
