package models

// Table is a row type with the indexes that its queries need besides the primary key. An index is a
// comma-separated list of columns, followed by " unique" if it is unique: "user_id,id" or "hash
// unique".
//
// A test compares the row type and the indexes with the result of the migrations.
type Table struct {
	Row     any
	Indexes []string
}

// ownTables are Fieldgate's tables. Add new tables here; Store.DeleteUser deletes the rows of a
// user.
var ownTables = []Table{
	{&User{}, []string{
		"email_key unique", "name_key,id", "email_key,name_key",
		"role,id", "role,name_key,id", "role,email_key,name_key", "unused_since",
	}},
	{&Session{}, []string{"refresh_hash unique", "parent_hash unique", "user_id", "expires_at"}},
	{&SpentToken{}, []string{"expires_at"}},
	{&MutexRow{}, nil},
	{&Bucket{}, []string{"until"}},
	{&OneTimeToken{}, []string{"hash unique", "user_id,slot unique", "email_key", "expires_at"}},
	{&Mail{}, []string{"due_at", "user_id", "email_key", "priority,due_at,id"}},
	{&PendingRegistration{}, []string{"user_id", "expires_at"}},
	{&TrustedPlace{}, []string{"user_id", "expires_at"}},
	{&Factor{}, []string{"user_id,kind unique"}},
	{&RecoveryCode{}, []string{"user_id"}},
	{&Challenge{}, []string{"hash unique", "user_id", "expires_at"}},
	{&AuditEntry{}, []string{"user_id,id", "actor_id,id", "created_at"}},
}
