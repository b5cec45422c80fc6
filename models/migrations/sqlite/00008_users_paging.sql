-- +goose Up
-- Each order in which accounts are listed, by itself and within a role: a page is read off an index from where the
-- last one ended. By address, the name is there too, to pass over those who are listed by it.
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
