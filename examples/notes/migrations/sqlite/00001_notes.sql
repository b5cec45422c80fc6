-- +goose Up
CREATE TABLE notes (
  id TEXT NOT NULL,
  author_id TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX notes_author_id_id ON notes (author_id, id);

-- +goose Down
DROP TABLE notes;
