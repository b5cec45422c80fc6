-- backfill
-- +goose Up
UPDATE users SET nickname = name WHERE nickname IS NULL LIMIT 500;
