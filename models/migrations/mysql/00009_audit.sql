-- +goose Up
-- The audit log. Rows are inserted, and deleted when they are old. Deleting an account clears its addresses.
CREATE TABLE IF NOT EXISTS audit (
  id         CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  event      VARCHAR(64)  CHARACTER SET ascii   COLLATE ascii_bin   NOT NULL,
  detail     VARCHAR(64)  CHARACTER SET ascii   COLLATE ascii_bin   NULL,
  user_id    CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NULL,
  actor_id   CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NULL,
  session_id CHAR(36)     CHARACTER SET ascii   COLLATE ascii_bin   NULL,
  ip         VARCHAR(45)  CHARACTER SET ascii   COLLATE ascii_bin   NULL,
  user_agent VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  created_at DATETIME(3)  NOT NULL,
  PRIMARY KEY (id),
  KEY audit_user_id (user_id, id),
  KEY audit_actor_id (actor_id, id),
  KEY audit_created_at (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE audit;
