-- +goose Up
-- An index for each order in which accounts are listed, with and without a role. A page is read from an index, from
-- the end of the last page. The indexes by address contain the name, to skip accounts that are listed by name.
--
-- One ALTER TABLE, so that it is applied completely or not at all. MySQL has no ADD KEY IF NOT EXISTS: if the keys
-- exist, the executed statement does nothing.
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
