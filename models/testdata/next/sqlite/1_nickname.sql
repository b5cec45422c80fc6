-- +goose Up
ALTER TABLE users ADD COLUMN nickname TEXT NULL;
