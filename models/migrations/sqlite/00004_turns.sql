-- +goose Up
-- Mutex rows serialize decisions across the nodes of a cluster: each transaction updates its row first.
CREATE TABLE turns (
  name   TEXT    NOT NULL PRIMARY KEY,
  number INTEGER NOT NULL
);
INSERT INTO turns (name, number) VALUES ('admins', 0);

-- +goose Down
DROP TABLE turns;
