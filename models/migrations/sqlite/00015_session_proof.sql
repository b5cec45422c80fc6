-- +goose Up
-- When and how the user of a session proved their identity. NULL in sessions that an older server opened: those were
-- proven with a password when they were created.
ALTER TABLE sessions ADD COLUMN proved_at DATETIME NULL;
ALTER TABLE sessions ADD COLUMN second_proved_at DATETIME NULL;
ALTER TABLE sessions ADD COLUMN methods TEXT NULL;

-- +goose Down
ALTER TABLE sessions DROP COLUMN methods;
ALTER TABLE sessions DROP COLUMN second_proved_at;
ALTER TABLE sessions DROP COLUMN proved_at;
