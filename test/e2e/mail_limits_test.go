package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/mail"
	"fieldgate/internal/mailtest"
	"fieldgate/models"
	"fieldgate/servertest"
)

// bootWithMailLimits starts a server with mail limits, which takes client IPs from X-Forwarded-For.
// Its clock stands still.
func bootWithMailLimits(t *testing.T, databaseURL string, env ...string) *testServer {
	t.Helper()
	b := bootWithSMTP(t, databaseURL, append([]string{"LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1"}, env...)...)
	b.Clock.Stop()
	return b
}

// queryFrom sends a query from an IP address, signed in as p unless p is nil.
func (b *testServer) queryFrom(p *servertest.User, ip, query string, variables ...any) *servertest.Response {
	b.t.Helper()
	header := fromIP(ip)
	if p != nil {
		header.Set("Authorization", "Bearer "+p.Token)
	}
	return b.QueryWith(header, query, variables...)
}

// confirmEmail verifies a user's address with the mailed link.
func (b *testServer) confirmEmail(p *servertest.User) {
	b.t.Helper()
	b.Query(p, verifyEmail, "t", b.tokenOf(p.Email, "/verify-email")).Must()
}

// mailsWith returns the mails to an address whose subject or link contains a text.
func (b *testServer) mailsWith(to, text string) (list []mail.Received) {
	b.t.Helper()
	for _, m := range b.mailsTo(to) {
		if strings.Contains(m.Subject+" "+m.Link, text) {
			list = append(list, m)
		}
	}
	return list
}

// changePasswordRepeatedly changes a user's password n times.
func (b *testServer) changePasswordRepeatedly(p *servertest.User, n int) {
	b.t.Helper()
	for range n {
		next := servertest.Password
		if p.Password == servertest.Password {
			next = newPassword
		}
		b.Query(p, changePassword, "c", p.Password, "n", next).Must()
		p.Password = next
		b.deliver()
	}
}

// TestUnverifiedAddressGetsOneNoticeADay checks that an attacker cannot send 40 notices to an
// unverified address with 40 password changes.
func TestUnverifiedAddressGetsOneNoticeADay(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithMailLimits(t, databaseURL)
		p := b.NewUser("USER")
		before := len(b.mailsTo(p.Email))
		b.changePasswordRepeatedly(p, 40)
		for range 5 {
			b.Query(p, requestChange, "e", newAddress(), "p", p.Password).Must()
		}
		if got := len(b.mailsTo(p.Email)) - before; got != 1 {
			t.Errorf("%d notices in a day, want 1", got)
		}
		b.Clock.Advance(24 * time.Hour)
		p.Token = b.Query(nil, loginQuery, "e", p.Email, "p", p.Password).Must().Text("login.accessToken")
		b.changePasswordRepeatedly(p, 5)
		if got := len(b.mailsTo(p.Email)) - before; got != 2 {
			t.Errorf("%d notices in two days, want 2", got)
		}
	})
}

func TestNoticesToAVerifiedAddressAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithMailLimits(t, databaseURL)
		p := b.NewUser("USER")
		b.confirmEmail(p)
		b.changePasswordRepeatedly(p, 40)
		if got := len(b.mailsWith(p.Email, "password")); got != 10 {
			t.Errorf("%d notices of a new password in an hour, want 10", got)
		}
		// Links that undo a change of address have a limit of their own.
		b.Query(p, requestChange, "e", newAddress(), "p", p.Password).Must()
		b.tokenOf(p.Email, "/undo-email-change")
		// So do links that reset the password.
		b.Query(nil, requestReset, "e", p.Email).Must()
		b.tokenOf(p.Email, "/reset-password")
	})
}

// TestNoticeToAnUnverifiedAddressOmitsTheNewOne checks that a notice does not quote the new address
// to an unverified one. The user chooses that text, so an attacker could mail it to any address.
func TestNoticeToAnUnverifiedAddressOmitsTheNewOne(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p := b.NewUser("USER")
		const text = "win-a-prize-at-evil.example"
		token := b.emailChangeToken(p, text+"@example.com")
		b.Query(p, verifyEmail, "t", token).Must()
		got := b.mailsTo(p.Email)
		if len(got) != 3 {
			t.Errorf("%d mails, want 3: the verification link and two notices", len(got))
		}
		for _, m := range got {
			if strings.Contains(m.Subject+m.Text+m.HTML, text) {
				t.Errorf("%q quotes the new address", m.Subject)
			}
		}
		owner := b.NewUser("USER")
		b.confirmEmail(owner)
		b.Query(owner, verifyEmail, "t", b.emailChangeToken(owner, "new-"+text+"@example.com")).Must()
		quoted := 0
		for _, m := range b.mailsTo(owner.Email) {
			if strings.Contains(m.Text, "new-"+text+"@example.com") && strings.Contains(m.HTML, "new-"+text+"@example.com") {
				quoted++
			}
		}
		if quoted != 2 {
			t.Errorf("%d notices to a verified address quote the new one, want 2", quoted)
		}
	})
}

func TestMailLimitIgnoresAddressTags(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name string
			ip   func(i int) string
			want int
		}{
			{"from one network", func(int) string { return "192.0.2.1" }, 5},
			{"from thirty networks", func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }, 10},
			{"from thirty IPv6 addresses of one subnet", func(i int) string { return fmt.Sprintf("2001:db8::%x", i) }, 5},
			{"from thirty IPv6 networks of one site", func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i) }, 5},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootWithMailLimits(t, databaseURL)
				name := fmt.Sprintf("victim%d", addressCounter.Add(1))
				for i := range 30 {
					b.queryFrom(nil, row.ip(i), registerAs, "e", fmt.Sprintf("%s+%d@example.com", name, i)).Must()
				}
				b.deliver()
				if got := len(b.receivedMails()); got != row.want {
					t.Errorf("%d mails reach one mailbox, want %d", got, row.want)
				}
			})
		}
	})
}

// TestAccountsOfOneMailboxShareAMailLimit checks that accounts whose addresses differ in the +tag
// only share a limit.
func TestAccountsOfOneMailboxShareAMailLimit(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithMailLimits(t, databaseURL)
		name := fmt.Sprintf("victim%d", addressCounter.Add(1))
		for i := range 30 {
			p := &servertest.User{Email: fmt.Sprintf("%s+%d@example.com", name, i), Password: servertest.Password}
			ip := fmt.Sprintf("192.0.2.%d", i)
			p.Token = b.queryFrom(nil, ip, registerQuery, "e", p.Email, "p", p.Password).Must().Text("register.accessToken")
			b.queryFrom(p, ip, `mutation { requestEmailVerification }`).Must()
		}
		b.deliver()
		if got := len(b.receivedMails()); got != 10 {
			t.Errorf("%d links reach one mailbox, want 10", got)
		}
	})
}

// TestStrangersCannotExhaustConfirmationMails checks that the owner of an address gets a
// confirmation link after other accounts have used up the shared limit for it.
func TestStrangersCannotExhaustConfirmationMails(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithMailLimits(t, databaseURL)
		address := newAddress()
		for i := range 10 {
			stranger := b.NewUser("USER")
			for range 3 {
				b.queryFrom(stranger, fmt.Sprintf("192.0.2.%d", i), requestChange, "e", address, "p", stranger.Password).Must()
				b.deliver()
			}
		}
		before := len(b.mailsTo(address))
		if before > 10+5 { // one for each account, and the shared limit
			t.Errorf("%d mails caused by other clients, want fewer", before)
		}
		owner := b.NewUser("USER")
		b.queryFrom(owner, "198.51.100.1", requestChange, "e", address, "p", owner.Password).Must()
		if got := len(b.mailsTo(address)) - before; got != 1 {
			t.Fatalf("%d mails for the owner's own request, want 1", got)
		}
		b.Query(owner, verifyEmail, "t", b.tokenOf(address, "/confirm-email")).Must()
	})
}

// TestStrangersCannotExhaustRegistrationMails checks that the owner's registration causes a mail
// after clients in other networks have used up the shared limit.
func TestStrangersCannotExhaustRegistrationMails(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithMailLimits(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		address := newAddress()
		for network := range 4 {
			for range 10 {
				b.queryFrom(nil, fmt.Sprintf("192.0.2.%d", network), registerAs, "e", address)
				b.deliver()
			}
		}
		before := len(b.mailsTo(address))
		if before > 20 { // ten verification links, ten notices that the account exists
			t.Errorf("%d mails caused by other clients, want fewer", before)
		}
		b.queryFrom(nil, "198.51.100.1", registerAs, "e", address)
		if got := len(b.mailsTo(address)) - before; got != 1 {
			t.Errorf("%d mails for the owner's own registration, want 1", got)
		}
	})
}

func TestRecoveryFromATrustedPlaceHasItsOwnLimit(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithMailLimits(t, databaseURL)
		p := b.NewUser("USER")
		b.confirmEmail(p)
		b.queryFrom(nil, "198.51.100.7", loginQuery, "e", p.Email, "p", p.Password).Must()
		for i := range 30 {
			b.queryFrom(nil, fmt.Sprintf("192.0.2.%d", i), requestReset, "e", p.Email).Must()
		}
		resets := func() int { b.t.Helper(); return len(b.mailsWith(p.Email, "/reset-password")) }
		if got := resets(); got != 10 {
			t.Errorf("%d links requested by others, want 10", got)
		}
		b.queryFrom(nil, "198.51.100.7", requestReset, "e", p.Email).Must()
		if got := resets(); got != 11 {
			t.Errorf("%d links, want 11 with the one requested from a trusted network", got)
		}
		b.queryFrom(nil, "198.51.100.8", requestReset, "e", p.Email).Must()
		if got := resets(); got != 11 {
			t.Errorf("%d links, want 11: the last request was from an untrusted network", got)
		}
	})
}

// queueNotices puts n notices of a user into the outbox. They are older than later mails.
func (b *testServer) queueNotices(p *servertest.User, n int) {
	b.t.Helper()
	var rows []*models.Mail
	due := b.internal.Store.Now().Add(-time.Hour)
	for range n {
		rows = append(rows, &models.Mail{
			ID: newRowID(), Kind: string(mail.PasswordChanged), UserID: &p.ID, Email: p.Email, EmailKey: p.Email,
			CreatedAt: due, DueAt: due, Priority: models.MailNotice,
		})
	}
	if err := b.internal.Store.CreateMails(b.t.Context(), rows); err != nil {
		b.t.Fatal(err)
	}
}

func TestRecoveryLinksAreSentFirst(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p, other := b.NewUser("USER"), b.NewUser("USER")
		b.deliver()
		before := len(b.receivedMails())
		b.queueNotices(other, 50)
		b.Query(p, `mutation { requestEmailVerification }`).Must()
		b.Query(nil, requestReset, "e", p.Email).Must()
		b.deliver()
		got := b.receivedMails()
		slices.Reverse(got)
		got = got[before:]
		if len(got) != 52 || !strings.Contains(got[0].Link, "/reset-password") || !strings.Contains(got[1].Link, "/verify-email") {
			t.Errorf("the first of %d mails are %q and %q, want the reset and the verification", len(got), got[0].Subject, got[1].Subject)
		}
	})
}

// TestSlowNoticeDoesNotDelayARecoveryLink checks that a mail server that is slow for one recipient
// does not delay a reset link for another.
func TestSlowNoticeDoesNotDelayARecoveryLink(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		server := mailtest.Start(t, mailtest.Options{Mode: mailtest.SilentAt(mailtest.AtRecipient)})
		b := bootWithSMTPServer(t, databaseURL, server)
		p := b.NewUser("USER") // the server is slow for its verification link
		var running sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		running.Go(func() { b.internal.Mailer.Run(ctx) })
		server.WaitSilent(t, 1)
		server.SetMode(mailtest.Accept)
		b.Query(nil, requestReset, "e", p.Email).Must()
		if got := server.WaitFor(t, 1)[0]; !strings.Contains(got.Text, "/reset-password?token=") {
			t.Errorf("the first mail is %q, want the reset link", got.Subject)
		}
		cancel()
		server.Stop()
		running.Wait()
	})
}

// TestMailsNameTimeAndNetworkOfTheRequest checks that mails name the time and the network of the
// request, not the full IP address or the User-Agent.
func TestMailsNameTimeAndNetworkOfTheRequest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "TRUSTED_PROXIES", "127.0.0.1")
		p := b.NewUser("USER")
		b.deliver()
		b.Clock.Stop()
		for _, row := range []struct{ ip, want string }{
			{"203.0.113.77", "203.0.113.0/24"},
			{"2001:db8:7:1234:5678::9", "2001:db8:7::/48"},
			{"::ffff:203.0.113.77", "203.0.113.0/24"},
		} {
			header := fromIP(row.ip)
			header.Set("User-Agent", "EvilText/1.0")
			at := b.internal.Store.Now().UTC().Format("2006-01-02 15:04 UTC")
			b.QueryWith(header, requestReset, "e", p.Email).Must()
			m := b.mailsTo(p.Email)[0]
			for _, text := range []string{m.Text, m.HTML} {
				if !strings.Contains(text, row.want) || !strings.Contains(text, at) || strings.Contains(text, row.ip) || strings.Contains(text, "EvilText") {
					t.Errorf("the mail for a request from %s at %s must name %s and the time only:\n%s", row.ip, at, row.want, text)
				}
			}
		}
	})
}

func TestSecurityNoticesFollowTheSetting(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, on := range []bool{true, false} {
			setting, want := "on", 1
			if !on {
				setting, want = "off", 0
			}
			t.Run("SECURITY_NOTICES="+setting, func(t *testing.T) {
				b := bootWithSMTP(t, databaseURL, "SECURITY_NOTICES", setting, "TRUSTED_PROXIES", "127.0.0.1")
				admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
				b.confirmEmail(p)
				wantNotices := func(subject, text string, want int) {
					t.Helper()
					got := b.mailsWith(p.Email, subject)
					if len(got) != want {
						t.Errorf("%d mails with %q, want %d", len(got), subject, want)
					}
					if len(got) > 0 && !strings.Contains(got[0].Text, text) {
						t.Errorf("the mail does not contain %q:\n%s", text, got[0].Text)
					}
				}

				b.Query(nil, loginQuery, "e", p.Email, "p", p.Password).Must()
				wantNotices("New sign-in", "", 0) // the IP address that registered
				for range 2 {
					b.queryFrom(nil, "203.0.113.9", loginQuery, "e", p.Email, "p", p.Password).Must()
				}
				wantNotices("New sign-in", "203.0.113.0/24", want)

				for range 2 {
					b.queryFrom(admin, "198.51.100.1", `mutation($u: ID!) { setUserRole(userId: $u, role: STAFF) { id } }`, "u", p.ID).Must()
				}
				wantNotices("Your role", "to STAFF", want)
				if got := b.mailsWith(p.Email, "Your role"); len(got) > 0 && strings.Contains(got[0].Text, "198.51.100") {
					t.Errorf("the mail names the administrator's network:\n%s", got[0].Text)
				}

				b.Query(admin, `mutation($u: ID!, $p: String) { deleteUser(userId: $u, password: $p) }`, "u", p.ID, "p", admin.Password).Must()
				wantNotices("was deleted", "deleted", want)
			})
		}
	})
}

// TestTenFailedSignInsSendANotice checks notices of failed sign-ins. The mailer finds accounts with
// many failures, so that a failed sign-in does the same work for known and unknown addresses.
func TestTenFailedSignInsSendANotice(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for i, row := range []struct {
			name, setting string
			failures      int
			networks      int
			want          int
		}{
			{"nine failures", "on", 9, 1, 0},
			{"ten failures", "on", 10, 1, 1},
			{"ten failures from ten networks", "on", 10, 10, 1},
			{"ten failures with notices off", "off", 10, 1, 0},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootWithSMTP(t, databaseURL, "SECURITY_NOTICES", row.setting, "TRUSTED_PROXIES", "127.0.0.1")
				b.Clock.Stop()
				b.Clock.Advance(time.Duration(i) * 10 * time.Minute) // the rows share a database
				p := b.NewUser("USER")
				b.confirmEmail(p)
				for i := range row.failures {
					ip := fmt.Sprintf("203.0.%d.5", i%row.networks)
					wantCodes(t, b.queryFrom(nil, ip, loginQuery, "e", p.Email, "p", wrongPassword), "login INVALID_CREDENTIALS")
					wantCodes(t, b.queryFrom(nil, ip, loginQuery, "e", "nobody@example.com", "p", wrongPassword), "login INVALID_CREDENTIALS")
				}
				for range 3 {
					if err := b.internal.Mailer.NotifyFailures(t.Context()); err != nil {
						t.Fatal(err)
					}
					b.Clock.Advance(2 * time.Minute)
				}
				got := b.mailsWith(p.Email, "Failed sign-ins")
				if len(got) != row.want || len(b.mailsTo("nobody@example.com")) > 0 {
					t.Fatalf("%d notices, want %d", len(got), row.want)
				}
				if len(got) > 0 && (!strings.Contains(got[0].Text, "10 attempts") || strings.Contains(got[0].Text, "203.0.0.0/24") != (row.networks == 1)) {
					t.Errorf("the notice must name 10 attempts, and the network if there is one only:\n%s", got[0].Text)
				}
			})
		}
	})
}

// TestSignInFromANewDeviceSendsANotice checks that a browser with the account's device cookie
// causes no notice in a new network, and that another browser in a known network causes one.
func TestSignInFromANewDeviceSendsANotice(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "TRUSTED_PROXIES", "127.0.0.1")
		w := b.newBrowser("203.0.113.9")
		p := w.register()
		w.send(browserRefresh).Must() // returns the device cookie
		w.ip = "198.51.100.3"
		w.signIn(p).Must()
		if got := len(b.mailsWith(p.Email, "New sign-in")); got != 0 {
			t.Errorf("%d notices of a known device, want 0", got)
		}
		b.newBrowser("203.0.113.9").signIn(p).Must()
		if got := len(b.mailsWith(p.Email, "New sign-in")); got != 1 {
			t.Errorf("%d notices of a new device, want 1", got)
		}
	})
}

func TestRunningMailerSendsFailureNotices(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{})
	b := bootWithSMTPServer(t, dbtest.SQLite(t), server)
	p := b.NewUser("USER")
	b.confirmEmail(p)
	before := len(server.Messages())
	for range 10 {
		b.Query(nil, loginQuery, "e", p.Email, "p", wrongPassword)
	}
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	running.Go(func() { b.internal.Mailer.Run(ctx) })
	if got := server.WaitFor(t, before+1)[before]; !strings.Contains(got.Subject, "Failed sign-ins") {
		t.Errorf("the mail is %q, want a notice of failed sign-ins", got.Subject)
	}
	cancel()
	running.Wait()
}

// TestMailLimitDoesNotShowInTheResponse checks that a request does the same work whether or not the
// mailbox's limit is used up. Limits apply when a mail is sent.
func TestMailLimitDoesNotShowInTheResponse(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithMailLimits(t, databaseURL)
		p := b.NewUser("USER")
		for i := range 15 {
			b.queryFrom(nil, fmt.Sprintf("192.0.2.%d", i), requestReset, "e", p.Email).Must()
		}
		b.deliver()
		before := b.internal.Store.Queries()
		limited := b.queryFrom(nil, "198.51.100.1", requestReset, "e", p.Email).Must()
		statements := b.internal.Store.Queries() - before
		before = b.internal.Store.Queries()
		unknown := b.queryFrom(nil, "198.51.100.2", requestReset, "e", newAddress()).Must()
		if got := b.internal.Store.Queries() - before; got != statements || !sameResponse(limited, unknown) {
			t.Errorf("%d statements and %s, for an unknown address %d and %s", statements, limited.Body, got, unknown.Body)
		}
	})
}
