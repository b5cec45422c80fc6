-- +goose Up
-- Mutex rows serialize decisions across the nodes of a cluster: each transaction updates its row first.
CREATE TABLE IF NOT EXISTS turns (
  name   VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  number BIGINT      NOT NULL,
  PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
INSERT IGNORE INTO turns (name, number) VALUES ('admins', 0);

-- +goose Down
DROP TABLE turns;
