-- +goose Up
-- Each order in which accounts are listed, by itself and within a role: a page is read off an index from where the
-- last one ended. By address, the name is there too, to pass over those who are listed by it.
--
-- One ALTER TABLE, which is done or not done. MySQL has no ADD KEY IF NOT EXISTS: where the keys are there already,
-- the statement that is run does nothing.
SET @paging = IF(
  EXISTS (SELECT 1 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'users' AND index_name = 'users_by_name'),
  'DO 0',
  'ALTER TABLE users
    ADD KEY users_by_name (name_key, id),
    ADD KEY users_by_email (email_key, name_key),
    ADD KEY users_by_role (role, id),
    ADD KEY users_by_role_and_name (role, name_key, id),
    ADD KEY users_by_role_and_email (role, email_key, name_key),
    DROP KEY users_name_key,
    DROP KEY users_role');
PREPARE paging FROM @paging;
EXECUTE paging;
DEALLOCATE PREPARE paging;

-- +goose Down
ALTER TABLE users
  ADD KEY users_name_key (name_key),
  ADD KEY users_role (role),
  DROP KEY users_by_name,
  DROP KEY users_by_email,
  DROP KEY users_by_role,
  DROP KEY users_by_role_and_name,
  DROP KEY users_by_role_and_email;
