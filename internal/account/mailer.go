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

// How the outbox is emptied. docs/mail.md tells operators.
const (
	// mailPollInterval is how long a mail may lie in the outbox before it is looked for. It is not sent at once, because
	// then the next request would take longer, and tell whether the last one has led to a mail.
	mailPollInterval = time.Second
	// mailLease is how long nobody else tries to send a mail that somebody tries to send, after they were last seen
	// to be alive: if they were killed, it is tried again after that.
	mailLease = 30 * time.Second
	// mailSendTimeout bounds one try, from the connection's being there to the server's last answer.
	mailSendTimeout = 5 * time.Minute
	// maxRetryDelay: the pause doubles from try to try. The first is half a lease.
	maxRetryDelay = 30 * time.Minute
	// mailTTL is how long a mail is tried, counted from the request for it.
	mailTTL = 48 * time.Hour
	// maxPollInterval: as long as the server does not answer, it is asked again at least this often.
	maxPollInterval = 30 * time.Second
	// mailBatch is how many mails are read at a time.
	mailBatch = 20
)

// MailerConfig is what a Mailer is made of. Every field but Lease, Counted and Tracer is needed.
type MailerConfig struct {
	Store     *models.Store
	Templates *mail.Templates
	Transport mail.Transport
	Log       *slog.Logger
	AppURL    *url.URL // where links lead
	Service   string   // what the server calls itself
	LimitsOff bool     // mails are not counted

	SecurityNoticesOff bool // no mail tells the owner of an account of failed attempts

	// Lease is how long nobody else tries to send a mail after whoever tries was last seen alive; 0 is 30 seconds.
	Lease time.Duration

	OnOutcome func(outcome string) // is told what became of a mail, one of MailOutcomes; nil: nobody is
	Tracer    *trace.Tracer        // makes a trace of each try to send a mail; nil: there are none
}

// Mailer sends what Service has written into the outbox. Any number of them may work on one database: each mail is
// handed to a mail server once, and by the next one again only if whoever did it was killed before they could write
// down that it was taken.
type Mailer struct{ config MailerConfig }

// NewMailer returns a mailer, which does nothing until Run or Deliver.
func NewMailer(c MailerConfig) *Mailer {
	c.Lease = cmp.Or(c.Lease, mailLease)
	return &Mailer{c}
}

// Run sends mails until ctx ends, and then those that it is sending. Recovery links have a connection of their own beside
// the one for all mails: one that the mail server takes minutes for does not delay them.
func (m *Mailer) Run(ctx context.Context) {
	var recovery sync.WaitGroup
	recovery.Go(func() { m.runRecovery(ctx) })
	defer recovery.Wait()
	failures := 0
	for sleep(ctx, m.pollDelay(failures)) {
		if err := m.NotifyFailures(ctx); err != nil {
			m.config.Log.WarnContext(ctx, "failed attempts cannot be counted", "error", err)
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

// runRecovery sends recovery links only. Run logs whether the mail server answers.
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

// pollDelay is at random, so that replicas do not all ask at once.
func (m *Mailer) pollDelay(failures int) time.Duration {
	d := min(mailPollInterval<<min(failures, 10), maxPollInterval)
	return d/2 + rand.N(d)
}

// sleep reports whether ctx has not ended meanwhile.
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

// Deliver sends every mail that is due, the most urgent ones first, and returns how many a mail server has taken. Its error says that the server,
// or the database, does not answer; what could not be sent waits.
func (m *Mailer) Deliver(ctx context.Context) (sent int, err error) {
	return m.deliver(ctx, models.MailNotice)
}

// deliver is Deliver for mails of a priority up to last.
func (m *Mailer) deliver(ctx context.Context, last int64) (sent int, err error) {
	round := &deliveryRun{Mailer: m}
	defer func() { round.disconnect() }()
	for {
		list, err := m.config.Store.DueMails(ctx, m.config.Store.Now(), last, mailBatch)
		if err != nil || len(list) == 0 {
			return round.sent, err
		}
		for _, row := range list {
			if ctx.Err() != nil {
				return round.sent, ctx.Err()
			}
			if err := round.processSafely(ctx, row); err != nil {
				return round.sent, err
			}
		}
	}
}

// Send sends one mail that has just been written, as Deliver does. It reports whether the mail server has taken it; if
// not, and there is no error, the log says why, or somebody else is sending it.
func (m *Mailer) Send(ctx context.Context, row *models.Mail) (sent bool, err error) {
	round := &deliveryRun{Mailer: m}
	defer func() { round.disconnect() }()
	err = round.processSafely(ctx, row)
	return round.sent > 0, err
}

// deliveryRun is one run over the outbox, with one connection for all mails.
type deliveryRun struct {
	*Mailer
	conn mail.Conn
	sent int
}

func (r *deliveryRun) disconnect() {
	if r.conn != nil {
		_ = r.conn.Close() // what was taken was taken
		r.conn = nil
	}
}

// process sends one mail, if nobody else does. One that was begun is ended, also when the server is told to stop; for a
// connection nobody waits then.
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
		r.logMail(ctx, slog.LevelError, "mail cannot be written", row, redactAddress(err, row))
		r.count(MailRenderFailed)
		return r.config.Store.ReleaseMail(ctx, row, r.config.Store.Now().Add(r.retryDelay(row.Attempts)), row.Attempts)
	}
	return r.recordOutcome(ctx, row, r.send(ctx, row, message))
}

// processSafely is try, but that a mail on which the code fails waits like one that a server does not take yet: it must not
// end the process, with everybody's requests.
func (r *deliveryRun) processSafely(stop context.Context, row *models.Mail) (err error) {
	stop, span := r.config.Tracer.Start(stop, "mail")
	span.Set(trace.String("fieldgate.mail.kind", row.Kind))
	defer func() { span.End(err != nil) }()
	defer func() {
		if v := recover(); v != nil {
			r.disconnect()
			r.logMail(stop, slog.LevelError, "mail cannot be written", row, slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			r.count(MailRenderFailed)
		}
	}()
	return r.process(stop, row)
}

// send keeps the claim for as long as the server takes.
func (r *deliveryRun) send(ctx context.Context, row *models.Mail, message *mail.Message) error {
	ctx, cancel := context.WithTimeout(ctx, mailSendTimeout)
	var keeping sync.WaitGroup
	keeping.Go(func() {
		for sleep(ctx, r.config.Lease/3) {
			_ = r.config.Store.ExtendMailClaim(ctx, row, r.leaseEnd()) // the next one may succeed
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

// classify is what becomes of a mail after the server's answer.
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

// finishSent writes down that a mail was sent, and tries hard to: else it would be sent again.
func (r *deliveryRun) finishSent(ctx context.Context, row *models.Mail) (err error) {
	for try := range 8 {
		if err = r.config.Store.FinishMail(ctx, row); err == nil {
			return nil
		}
		sleep(ctx, r.config.Lease>>(10-try))
	}
	return err
}

// retryDelay is how long a mail waits that was tried so often.
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

// redactAddress is what the server said, which likes to repeat whom the mail was for: as it was told, which is with the
// domain that the key has, or in capitals.
func redactAddress(err error, row *models.Mail) slog.Attr {
	said := strings.ReplaceAll(err.Error(), row.Email, "…")
	key := regexp.MustCompile("(?i)" + regexp.QuoteMeta(row.EmailKey)) // a key is UTF-8, so this compiles
	return slog.String("error", key.ReplaceAllLiteralString(said, "…"))
}

// link is where a kind of mail leads, and what the link is good for.
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

// letter is what a mail turned out to be when it is about to be sent.
type letter struct {
	kind mail.Kind
	to   string
	user *models.User // nil for an address that nobody has

	registration bool // the link confirms a pending registration, and not the account as it is
}

// letterFor says what is to be sent; nil if what the mail was to say is not so any more.
func (m *Mailer) letterFor(ctx context.Context, row *models.Mail) (*letter, error) {
	if mail.Kind(row.Kind) == mail.AccountDeleted { // the address may have another owner by now
		return &letter{kind: mail.AccountDeleted, to: row.Email}, nil
	}
	user, err := m.userOf(ctx, row)
	shut := err == nil && user.DisabledAt != nil
	kind := mail.Kind(row.Kind)
	if (kind == mail.AlreadyRegistered || kind == kindRegistration) && (shut || errors.Is(err, models.ErrNotFound)) {
		return &letter{kind: mail.AddressNotFree, to: row.Email, user: user}, nil // a registrant waits for a mail that says what happened
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
		if user.EmailKey != row.EmailKey { // the link would be good for nothing, and end one that is good
			return nil, nil
		}
		l.to = user.Email // as it is stored, and not as somebody else has typed it
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

// auditedTx is the text of a letter, nil if its reader has had too many. It stores the ticket whose token it brings.
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
	until := m.config.Store.Now().Add(m.config.Lease) // anew: the connection may have taken longer than the lease
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

// dropReservation ends the reservation of an address that was never verified when the mail with the link that undoes the
// change is not sent: nothing shows that the account was its owner's, and without a link it would only keep them from
// registering.
func (m *Mailer) dropReservation(ctx context.Context, row *models.Mail, l *letter) error {
	if l.kind != mail.EmailChanged || row.NewEmail != nil { // see told
		return nil
	}
	return m.config.Store.DeleteUndoToken(ctx, row.ID, l.user.ID)
}

// templateData is what the text of a letter may name, but for the link. An administrator's network is not told.
func (m *Mailer) templateData(row *models.Mail, l *letter) mail.Data {
	data := mail.Data{Service: m.config.Service, AppURL: m.config.AppURL.String(), At: row.CreatedAt.UTC().Format(mailTime)}
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

// mailTime is how mails write a time. It reads the same in every language.
const mailTime = "2006-01-02 15:04 UTC"

// userOf is whom a mail is about.
func (m *Mailer) userOf(ctx context.Context, row *models.Mail) (*models.User, error) {
	if row.UserID != nil {
		return m.config.Store.UserByID(ctx, *row.UserID)
	}
	return m.config.Store.UserByEmailKey(ctx, row.EmailKey)
}

// lookUpOneTimeToken is about the address that the mail goes to. Each try makes a new token, and the one before is good for
// nothing: nobody knows whether it has arrived.
func (m *Mailer) newOneTimeToken(row *models.Mail, l link, token string) *models.OneTimeToken {
	t := &models.OneTimeToken{
		ID: row.ID, Hash: oneTimeTokenHash(token), UserID: *row.UserID, Purpose: l.purpose,
		Email: row.Email, EmailKey: row.EmailKey, ExpiresAt: m.config.Store.Now().Add(l.ttl),
	}
	switch l.purpose {
	case purposeUndo:
	case purposeRegister: // each registration has its own link; the newest does not end the others
		t.SingletonKey = new(strings.ReplaceAll(t.ID, "-", ""))
	default:
		t.SingletonKey = &t.Purpose
	}
	return t
}
