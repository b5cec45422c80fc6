package account

// Events returns every event that Service passes to Config.OnEvent. The names are those in the log.
func Events() []string {
	return []string{
		EventRegistered, EventAlreadyRegistered, EventSignIn, EventSignInFailed, EventSignedOut,
		EventSessionRevoked, EventSessionsEnded, EventAccessTokenIssued, EventTokenReused,
		EventPasswordChanged, EventPasswordChangeFailed, EventPasswordResetSent, EventPasswordReset, EventEmailVerified,
		EventEmailChangeRequested, EventEmailChangeFailed, EventEmailChanged, EventEmailRestored, EventDeletionFailed,
		EventUserDeleted, EventRoleChanged, EventUserDisabled, EventUserEnabled,
		EventUserErased, EventUserErasureFailed, EventUserReset,
		EventUnknownToken,
		EventSecondFactorFailed, EventIdentityConfirmed, EventConfirmationFailed,
		EventFactorAdded, EventFactorRemoved, EventRecoveryCodesReplaced, EventFactorsReset,
		EventRegisteredAgain, EventEmailVerificationFailed, EventEmailDisowned,
		EventEmailChangeDeclined, EventUserExpired,
	}
}

// Outcomes of an attempt to send a mail.
const (
	MailSent         = "sent"
	MailDeferred     = "waits"       // the mail server did not accept it yet
	MailUnreachable  = "unreachable" // no connection to the mail server
	MailRenderFailed = "unwritten"   // a template failed; the mail is retried
	MailRefused      = "refused"     // rejected permanently
	MailExpired      = "given up"    // older than mailTTL
	MailDropped      = "dropped"     // the address reached its mail limit
)

// MailOutcomes returns every outcome that a Mailer passes to MailerConfig.OnOutcome.
func MailOutcomes() []string {
	return []string{MailSent, MailDeferred, MailUnreachable, MailRenderFailed, MailRefused, MailExpired, MailDropped}
}

// QueueState is a snapshot of a Queue.
type QueueState struct {
	Waiting, Room int // waiting callers, and their maximum number
	Busy, Threads int
	Refused       uint64 // callers that got *OverloadedError since the start
}

// State returns the current state.
func (q *Queue) State() QueueState {
	q.mu.Lock()
	waiting, capacity := q.backlog.count, q.backlog.capacity
	q.mu.Unlock()
	return QueueState{
		Waiting: waiting, Room: capacity, Busy: int(q.busy.Load()), Threads: q.workers, Refused: q.refused.Load(),
	}
}
