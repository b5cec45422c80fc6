-- +goose Up
CREATE TABLE pets (
  id      TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX pets_user_id ON pets (user_id);
