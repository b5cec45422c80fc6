-- contract: since 00010 nothing reads users.nickname
-- +goose Up
ALTER TABLE users DROP COLUMN nickname;
