package dbtest

import "testing"

func TestCheckStatementAcceptsStatementsOfOneUser(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		"SELECT `id` FROM `users` WHERE email_key = ?",
		"SELECT `sessions`.`id`, `users`.`id` FROM `sessions` INNER JOIN `users` ON `users`.`id` = `sessions`.`user_id` WHERE sessions.user_id = ? AND sessions.id = ?",
		"SELECT `id` FROM `sessions` WHERE (user_id = ? AND epoch = ?) AND (last_used_at < ? OR (last_used_at = ? AND id < ?)) ORDER BY id LIMIT ?",
		"DELETE FROM `tickets` WHERE user_id = ? AND (slot IS NOT NULL OR id > ?)",
		"DELETE FROM `sessions` WHERE user_id IN (?,?) AND id IN (?,?)",
		"UPDATE `sessions` SET `epoch`=? WHERE user_id = ? AND id = ?",
		"INSERT INTO `tickets` (`id`,`user_id`) VALUES (?,?)",
		"SELECT `id` FROM `users` WHERE a = ? AND NOT EXISTS (SELECT 1 FROM sessions WHERE user_id = users.id) OR b = ?",
		"INSERT INTO `limits` (`id`,`until`) VALUES (?,?) ON DUPLICATE KEY UPDATE `until`=`limits`.`until`",
		"SELECT `id` FROM `tickets` WHERE hash = ? LIMIT ?",
	} {
		if err := CheckStatement(statement); err != nil {
			t.Error(err)
		}
	}
}

func TestCheckStatementRejectsStatementsWithoutUser(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		"SELECT `sessions`.`id` FROM `sessions` INNER JOIN `users` ON `users`.`id` = `sessions`.`user_id` WHERE sessions.id = ?",
		"SELECT `id` FROM `sessions` WHERE id = ?",
		"SELECT `id` FROM `sessions`",
		"SELECT `id` FROM `sessions` WHERE user_id <> ? AND id = ?",
		"SELECT `id` FROM `sessions` WHERE (user_id = ? OR id = ?) AND epoch = ?",
		"SELECT `id` FROM `sessions` WHERE (user_id = ? AND id = ?) OR id = ?",
		"SELECT `id` FROM `sessions` WHERE user_id = ? OR id = ?",
		"DELETE FROM `tickets` WHERE id = ? AND hash = ?",
		"DELETE FROM `trusted_places` WHERE id IN (?,?)",
		"DELETE FROM `pending_registrations` WHERE id = ?",
		"UPDATE `sessions` SET `user_id`=? WHERE id = ?",
		"INSERT INTO `tickets` (`id`,`hash`) VALUES (?,?)",
		"SELECT `id` FROM `users` WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE id = users.id)",
		"SELECT `id` FROM `users` WHERE EXISTS (SELECT 1 FROM sessions WHERE user_id = users.id) AND EXISTS (SELECT 1 FROM tickets WHERE id = ?)",
		"SELECT `id` FROM `spent_tokens` WHERE session_id = ?",
		"INSERT INTO `limits` (`id`,`until`) VALUES (?,?) ON DUPLICATE KEY UPDATE `id`=`id`",
		"INSERT INTO `turns` (`name`,`number`) VALUES (?,?) ON DUPLICATE KEY UPDATE `name`=`name`",
	} {
		if CheckStatement(statement) == nil {
			t.Errorf("accepted: %s", statement)
		}
	}
}
