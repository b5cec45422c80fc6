-- +goose Up
CREATE INDEX users_by_points ON users (points, id);
