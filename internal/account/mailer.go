package account

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"fieldgate/internal/mail"
	"fieldgate/internal/trace"
	"fieldgate/models"
)

// How the outbox is emptied. docs/mail.md documents it.
const (
	// mailPollInterval is how long a mail may wait in the outbox before the next poll. Sending it
	// at once would slow down the next request, which would tell whether the last one caused a
	// mail.
	mailPollInterval = time.Second
	// mailLease is how long a claim on a mail lasts after its holder was last seen alive. If the
	// holder was killed, another server retries after that.
	mailLease = 30 * time.Second
	// mailSendTimeout limits one attempt, from the open connection to the server's last reply.
	mailSendTimeout = 5 * time.Minute
	// maxRetryDelay limits the delay, which starts at half a lease and doubles with each attempt.
	maxRetryDelay = 30 * time.Minute
	// mailTTL is how long a mail is retried, counted from its request.
	mailTTL = 48 * time.Hour
	// maxPollInterval is the longest pause between polls while the mail server does not answer.
	maxPollInterval = 30 * time.Second
	// mailBatch is how many mails one query reads.
	mailBatch = 20
)

// MailerConfig configures a Mailer. Lease, OnOutcome and Tracer are optional.
type MailerConfig struct {
	Store     *models.Store
	Templates *mail.Templates
	Transport mail.Transport
	Log       *slog.Logger
	AppURL    *url.URL // base of the links
	Service   string   // the server's name
	LimitsOff bool     // mails are not limited

	SecurityNoticesOff bool // no mail to owners about failed attempts

	// Lease is how long a claim on a mail lasts after its holder was last seen alive; 0 means 30
	// seconds.
	Lease time.Duration

	// OnOutcome is called with the outcome of each attempt, one of MailOutcomes; nil: not called.
	OnOutcome func(outcome string)
	Tracer    *trace.Tracer // traces each attempt to send a mail; nil: no traces
}

// Mailer sends the mails that Service stores in the outbox. Several mailers may work on one
// database. Each mail is handed to a mail server once. It is handed over again only if a mailer was
// killed between the server's reply and recording it.
type Mailer struct{ config MailerConfig }

// NewMailer returns a Mailer. It is idle until Run or Deliver is called.
func NewMailer(c MailerConfig) *Mailer {
	c.Lease = cmp.Or(c.Lease, mailLease)
	return &Mailer{c}
}

// Run sends mails until ctx ends, and finishes those in progress. Recovery links use a second
// connection, so that a mail which the server takes minutes for does not delay them.
func (m *Mailer) Run(ctx context.Context) {
	var recovery sync.WaitGroup
	recovery.Go(func() { m.runRecovery(ctx) })
	defer recovery.Wait()
	failures := 0
	for sleep(ctx, m.pollDelay(failures)) {
		if err := m.NotifyFailures(ctx); err != nil {
			m.config.Log.WarnContext(ctx, "cannot count failed attempts", "error", err)
		}
		_, err := m.Deliver(ctx)
		switch {
		case err == nil && failures > 0:
			m.config.Log.InfoContext(ctx, "mail server answers again")
		case err != nil && ctx.Err() == nil && failures == 0:
			m.config.Log.WarnContext(ctx, "mail server does not answer", "error", err)
		}
		if failures++; err == nil {
			failures = 0
		}
	}
}

// runRecovery sends only recovery links. Run logs whether the mail server answers.
func (m *Mailer) runRecovery(ctx context.Context) {
	failures := 0
	for sleep(ctx, m.pollDelay(failures)) {
		if _, err := m.deliver(ctx, models.MailRecovery); err != nil {
			failures++
		} else {
			failures = 0
		}
	}
}

// pollDelay is randomized, so that replicas do not poll at the same time.
func (m *Mailer) pollDelay(failures int) time.Duration {
	d := min(mailPollInterval<<min(failures, 10), maxPollInterval)
	return d/2 + rand.N(d)
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Deliver sends every mail that is due, the most urgent first, and returns how many a mail server
// accepted. An error means that the mail server or the database does not answer; unsent mails stay
// in the outbox.
func (m *Mailer) Deliver(ctx context.Context) (sent int, err error) {
	return m.deliver(ctx, models.MailNotice)
}

// deliver is Deliver for mails with a priority value up to last.
func (m *Mailer) deliver(ctx context.Context, last int64) (sent int, err error) {
	run := &deliveryRun{Mailer: m}
	defer func() { run.disconnect() }()
	for {
		list, err := m.config.Store.DueMails(ctx, m.config.Store.Now(), last, mailBatch)
		if err != nil || len(list) == 0 {
			return run.sent, err
		}
		for _, row := range list {
			if ctx.Err() != nil {
				return run.sent, ctx.Err()
			}
			if err := run.processSafely(ctx, row); err != nil {
				return run.sent, err
			}
		}
	}
}

// Send sends one mail that was just stored, as Deliver does. It reports whether the mail server
// accepted it. If it reports false without an error, the log has the reason, or another server is
// sending the mail.
func (m *Mailer) Send(ctx context.Context, row *models.Mail) (sent bool, err error) {
	run := &deliveryRun{Mailer: m}
	defer func() { run.disconnect() }()
	err = run.processSafely(ctx, row)
	return run.sent > 0, err
}

// deliveryRun is one run over the outbox, with one connection for all mails.
type deliveryRun struct {
	*Mailer
	conn mail.Conn
	sent int
}

func (r *deliveryRun) disconnect() {
	if r.conn != nil {
		_ = r.conn.Close() // accepted mails stay accepted
		r.conn = nil
	}
}

// process sends one mail unless another server has claimed it. A mail in progress is finished even
// when stop ends; only waiting for a connection is cancelled.
func (r *deliveryRun) process(stop context.Context, row *models.Mail) error {
	ctx := context.WithoutCancel(stop)
	err := r.config.Store.ClaimMail(ctx, row, newID(), r.leaseEnd())
	if errors.Is(err, models.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if r.config.Store.Now().After(row.CreatedAt.Add(mailTTL)) {
		r.logMail(ctx, slog.LevelWarn, "mail given up", row, slog.Int64("attempts", row.Attempts-1))
		r.count(MailExpired)
		return r.config.Store.FinishMail(ctx, row)
	}
	letter, err := r.letterFor(ctx, row)
	if err == nil && letter != nil && r.conn == nil {
		if r.conn, err = r.config.Transport.Connect(stop); err != nil {
			r.conn = nil
			r.count(MailUnreachable)
			return errors.Join(err, r.config.Store.ReleaseMail(ctx, row, r.config.Store.Now(), row.Attempts-1))
		}
	}
	var message *mail.Message
	if err == nil && letter != nil {
		message, err = r.compose(ctx, row, letter)
	}
	switch {
	case errors.Is(err, models.ErrNotFound), err == nil && message == nil:
		return r.config.Store.FinishMail(ctx, row)
	case errors.Is(err, models.ErrUnavailable):
		return errors.Join(err, r.config.Store.ReleaseMail(ctx, row, r.config.Store.Now(), row.Attempts-1))
	case err != nil:
		r.logMail(ctx, slog.LevelError, "mail cannot be rendered", row, redactAddress(err, row))
		r.count(MailRenderFailed)
		return r.config.Store.ReleaseMail(ctx, row, r.config.Store.Now().Add(r.retryDelay(row.Attempts)), row.Attempts)
	}
	return r.recordOutcome(ctx, row, r.send(ctx, row, message))
}

// processSafely is process with panics recovered: a mail that makes the code panic is deferred and
// must not end the process and its requests.
func (r *deliveryRun) processSafely(stop context.Context, row *models.Mail) (err error) {
	stop, span := r.config.Tracer.Start(stop, "mail")
	span.Set(trace.String("fieldgate.mail.kind", row.Kind))
	defer func() { span.End(err != nil) }()
	defer func() {
		if v := recover(); v != nil {
			r.disconnect()
			r.logMail(stop, slog.LevelError, "mail cannot be rendered", row,
				slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			r.count(MailRenderFailed)
		}
	}()
	return r.process(stop, row)
}

// send extends the claim for as long as the mail server takes.
func (r *deliveryRun) send(ctx context.Context, row *models.Mail, message *mail.Message) error {
	ctx, cancel := context.WithTimeout(ctx, mailSendTimeout)
	var keeping sync.WaitGroup
	keeping.Go(func() {
		for sleep(ctx, r.config.Lease/3) {
			// Ignore the error: the next attempt may succeed.
			_ = r.config.Store.ExtendMailClaim(ctx, row, r.leaseEnd())
		}
	})
	defer keeping.Wait()
	defer cancel()
	_, span := trace.Start(ctx, "mail send")
	err := r.conn.Send(ctx, message)
	span.End(err != nil)
	return err
}

func (r *deliveryRun) leaseEnd() time.Time { return r.config.Store.Now().Add(r.config.Lease) }

// recordOutcome records the mail server's reply.
func (r *deliveryRun) recordOutcome(ctx context.Context, row *models.Mail, err error) error {
	if err == nil {
		r.sent++
		r.logMail(ctx, slog.LevelInfo, "mail sent", row)
		r.count(MailSent)
		return r.finishSent(ctx, row)
	}
	refused := (*mail.RefusedError)(nil)
	if !errors.As(err, &refused) {
		r.disconnect()
	} else if refused.Permanent {
		r.logMail(ctx, slog.LevelWarn, "mail refused", row, redactAddress(err, row))
		r.count(MailRefused)
		return r.config.Store.FinishMail(ctx, row)
	}
	r.logMail(ctx, slog.LevelInfo, "mail waits", row, redactAddress(err, row), slog.Int64("attempts", row.Attempts))
	r.count(MailDeferred)
	return r.config.Store.ReleaseMail(ctx, row, r.config.Store.Now().Add(r.retryDelay(row.Attempts)), row.Attempts)
}

// finishSent records that a mail was sent. It retries persistently, because otherwise the mail
// would be sent again.
func (r *deliveryRun) finishSent(ctx context.Context, row *models.Mail) (err error) {
	for try := range 8 {
		if err = r.config.Store.FinishMail(ctx, row); err == nil {
			return nil
		}
		sleep(ctx, r.config.Lease>>(10-try))
	}
	return err
}

// retryDelay returns the delay after a number of attempts.
func (m *Mailer) retryDelay(attempts int64) time.Duration {
	d := min(m.config.Lease/2<<min(attempts-1, 20), maxRetryDelay)
	return d*3/4 + rand.N(d/2)
}

func (m *Mailer) logMail(ctx context.Context, level slog.Level, message string, row *models.Mail, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("mail_id", row.ID), slog.String("kind", row.Kind))
	if row.UserID != nil {
		attrs = append(attrs, slog.String("user_id", *row.UserID))
	}
	m.config.Log.LogAttrs(ctx, level, message, attrs...)
}

func (m *Mailer) count(outcome string) {
	if m.config.OnOutcome != nil {
		m.config.OnOutcome(outcome)
	}
}

// redactAddress returns the mail server's reply without the recipient. Servers like to repeat it:
// as given, with the domain of the key, or in capitals.
func redactAddress(err error, row *models.Mail) slog.Attr {
	said := strings.ReplaceAll(err.Error(), row.Email, "…")
	// A key is UTF-8, so this compiles.
	key := regexp.MustCompile("(?i)" + regexp.QuoteMeta(row.EmailKey))
	return slog.String("error", key.ReplaceAllLiteralString(said, "…"))
}

// link is the target and purpose of the link in a kind of mail.
type link struct {
	path    string
	purpose string
	ttl     time.Duration
}

var links = map[mail.Kind]link{
	mail.VerifyEmail:          {"/verify-email", purposeVerify, verifyTTL},
	mail.ConfirmEmail:         {"/confirm-email", purposeChange, changeTTL},
	mail.EmailChangeRequested: {"/undo-email-change", purposeUndo, undoTTL},
	mail.EmailChanged:         {"/undo-email-change", purposeUndo, undoTTL},
	mail.EmailRestored:        {"/reset-password", purposeReset, resetTTL},
	mail.ResetPassword:        {"/reset-password", purposeReset, resetTTL},
	mail.AlreadyRegistered:    {"/reset-password", purposeReset, resetTTL},
}

// letter is the mail to be sent, as decided just before sending.
type letter struct {
	kind mail.Kind
	to   string
	user *models.User // nil for an address without an account

	registration bool // the link confirms a pending registration instead of the existing account
}

// letterFor decides what to send. It returns nil if the mail no longer applies.
func (m *Mailer) letterFor(ctx context.Context, row *models.Mail) (*letter, error) {
	if mail.Kind(row.Kind) == mail.AccountDeleted { // the address may have another owner by now
		return &letter{kind: mail.AccountDeleted, to: row.Email}, nil
	}
	user, err := m.userOf(ctx, row)
	shut := err == nil && user.DisabledAt != nil
	kind := mail.Kind(row.Kind)
	if (kind == mail.AlreadyRegistered || kind == kindRegistration) && (shut || errors.Is(err, models.ErrNotFound)) {
		// The registrant is waiting for a mail that says what happened.
		return &letter{kind: mail.AddressNotFree, to: row.Email, user: user}, nil
	}
	if err != nil || shut {
		return nil, err
	}
	l := &letter{kind: kind, to: row.Email, user: user}
	switch l.kind {
	case kindRegistration:
		return m.registrationLetter(row, user), nil
	case mail.VerifyEmail:
		if user.EmailVerified() || user.EmailKey != row.EmailKey {
			return nil, nil
		}
	case mail.ResetPassword, mail.AlreadyRegistered, mail.EmailRestored:
		// The link would not work, and would replace one that does.
		if user.EmailKey != row.EmailKey {
			return nil, nil
		}
		l.to = user.Email // as stored, not as another client typed it
	case mail.ConfirmEmail:
		owner, err := m.config.Store.UserByEmailKey(ctx, row.EmailKey)
		if err == nil {
			return &letter{kind: mail.EmailTaken, to: owner.Email, user: owner}, nil
		}
		if !errors.Is(err, models.ErrNotFound) {
			return nil, err
		}
	}
	return l, nil
}

// compose returns the message of a letter, or nil if the mailbox is over its budget. It stores the
// one-time token of the link.
func (m *Mailer) compose(ctx context.Context, row *models.Mail, l *letter) (*mail.Message, error) {
	if full, err := m.isOverBudget(ctx, row, l); err != nil {
		return nil, err
	} else if full {
		return nil, m.dropReservation(ctx, row, l)
	}
	if row.Email = l.to; l.user != nil {
		row.UserID = &l.user.ID
	}
	data := m.templateData(row, l)
	// Renew the lease: connecting may have taken longer.
	until := m.config.Store.Now().Add(m.config.Lease)
	if to, ok := links[l.kind]; !ok {
		if err := m.config.Store.ExtendMailClaim(ctx, row, until); err != nil {
			return nil, err
		}
	} else {
		if l.registration {
			to.purpose = purposeRegister
		}
		token := randomToken()
		if err := m.config.Store.IssueToken(ctx, row, m.newOneTimeToken(row, to, token), until); err != nil {
			return nil, err
		}
		data.Link = m.config.AppURL.JoinPath(to.path).String() + "?token=" + token
		data.Hours = int(to.ttl.Hours())
	}
	message, err := m.config.Templates.Render(l.kind, row.Language, data)
	if err != nil {
		return nil, err
	}
	message.ID, message.To = row.ID, l.to
	return message, nil
}

// dropReservation deletes the reservation of an unverified address when the mail with its undo link
// is not sent. Nothing shows that the address belonged to the account's owner, and without a link
// the reservation would only keep its real owner from registering.
func (m *Mailer) dropReservation(ctx context.Context, row *models.Mail, l *letter) error {
	if l.kind != mail.EmailChanged || row.NewEmail != nil { // see withNewEmail
		return nil
	}
	return m.config.Store.DeleteUndoToken(ctx, row.ID, l.user.ID)
}

// templateData returns the data of a letter's template, except the link. The network of an
// administrator is not disclosed.
func (m *Mailer) templateData(row *models.Mail, l *letter) mail.Data {
	data := mail.Data{
		Service: m.config.Service, AppURL: m.config.AppURL.String(), At: row.CreatedAt.UTC().Format(mailTime),
	}
	if row.IP != nil && l.kind != mail.RoleChanged && l.kind != mail.AccountDeleted {
		data.Network = coarseNetwork(*row.IP)
	}
	if row.NewEmail != nil {
		data.NewEmail = *row.NewEmail
	}
	if l.kind == mail.ConfirmEmail {
		data.Account = maskedAddress(l.user.Email)
	}
	if row.Detail != nil {
		data.Detail = *row.Detail
	}
	return data
}

// mailTime is the time format of mails. It reads the same in every language.
const mailTime = "2006-01-02 15:04 UTC"

// userOf returns the user that a mail is about.
func (m *Mailer) userOf(ctx context.Context, row *models.Mail) (*models.User, error) {
	if row.UserID != nil {
		return m.config.Store.UserByID(ctx, *row.UserID)
	}
	return m.config.Store.UserByEmailKey(ctx, row.EmailKey)
}

// newOneTimeToken returns a token for the address that the mail goes to. Each attempt creates a new
// token and invalidates the previous one, because it is unknown whether that arrived.
func (m *Mailer) newOneTimeToken(row *models.Mail, l link, token string) *models.OneTimeToken {
	t := &models.OneTimeToken{
		ID: row.ID, Hash: oneTimeTokenHash(token), UserID: *row.UserID, Purpose: l.purpose,
		Email: row.Email, EmailKey: row.EmailKey, ExpiresAt: m.config.Store.Now().Add(l.ttl),
	}
	switch l.purpose {
	case purposeUndo:
	case purposeRegister:
		// Each registration has its own link; a newer one does not invalidate the others.
		t.SingletonKey = new(strings.ReplaceAll(t.ID, "-", ""))
	default:
		t.SingletonKey = &t.Purpose
	}
	return t
}
