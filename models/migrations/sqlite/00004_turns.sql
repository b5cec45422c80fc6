-- +goose Up
-- What must be decided by one at a time, on any node of a cluster: whoever decides writes the row first.
CREATE TABLE turns (
  name   TEXT    NOT NULL PRIMARY KEY,
  number INTEGER NOT NULL
);
INSERT INTO turns (name, number) VALUES ('admins', 0);

-- +goose Down
DROP TABLE turns;
