package account

// Events are all that Service tells Config.Counted of, by the names that they have in the log.
func Events() []string {
	return []string{
		EventRegistered, EventAlreadyRegistered, EventSignIn, EventSignInFailed, EventSignedOut, EventSessionRevoked, EventSessionsEnded, EventAccessTokenIssued, EventTokenReused,
		EventPasswordChanged, EventPasswordChangeFailed, EventPasswordResetSent, EventPasswordReset, EventEmailVerified,
		EventEmailChangeRequested, EventEmailChangeFailed, EventEmailChanged, EventEmailRestored, EventDeletionFailed,
		EventUserDeleted, EventRoleChanged, EventUserDisabled, EventUserEnabled, EventUserErased, EventUserErasureFailed, EventUserReset,
		EventUnknownToken,
		EventRegisteredAgain, EventEmailVerificationFailed, EventEmailDisowned, EventEmailChangeDeclined, EventUserExpired,
	}
}

// What becomes of a mail each time that it is looked at.
const (
	MailSent         = "sent"
	MailDeferred     = "waits"       // the mail server did not take it yet
	MailUnreachable  = "unreachable" // there was no mail server to offer it to
	MailRenderFailed = "unwritten"   // a template failed; it waits
	MailRefused      = "refused"     // for good
	MailExpired      = "given up"    // it was tried for as long as mails are
	MailDropped      = "dropped"     // the address has had too many
)

// MailOutcomes are all that a Mailer tells MailerConfig.Counted of.
func MailOutcomes() []string {
	return []string{MailSent, MailDeferred, MailUnreachable, MailRenderFailed, MailRefused, MailExpired, MailDropped}
}

// QueueState is what a Queue does at one moment, and what it has refused since its start.
type QueueState struct {
	Waiting, Room int // callers, and how many may wait at most
	Busy, Threads int
	Refused       uint64 // callers who got *Overloaded
}

// State returns what the queue does now.
func (q *Queue) State() QueueState {
	q.mu.Lock()
	waiting, room := q.backlog.count, q.backlog.capacity
	q.mu.Unlock()
	return QueueState{Waiting: waiting, Room: room, Busy: int(q.busy.Load()), Threads: q.workers, Refused: q.refused.Load()}
}
