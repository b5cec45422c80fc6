-- +goose Up
-- An index for each order in which accounts are listed, with and without a role. A page is read from an index, from
-- the end of the last page. The indexes by address contain the name, to skip accounts that are listed by name.
CREATE INDEX users_by_name ON users (name_key, id);
CREATE INDEX users_by_email ON users (email_key, name_key);
CREATE INDEX users_by_role ON users (role, id);
CREATE INDEX users_by_role_and_name ON users (role, name_key, id);
CREATE INDEX users_by_role_and_email ON users (role, email_key, name_key);
DROP INDEX users_name_key;
DROP INDEX users_role;

-- +goose Down
CREATE INDEX users_name_key ON users (name_key);
CREATE INDEX users_role ON users (role);
DROP INDEX users_by_name;
DROP INDEX users_by_email;
DROP INDEX users_by_role;
DROP INDEX users_by_role_and_name;
DROP INDEX users_by_role_and_email;
