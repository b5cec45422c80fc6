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

// bootWithMailLimits starts a server that counts mails, behind a proxy that tells clients apart.
func bootWithMailLimits(t *testing.T, databaseURL string, env ...string) *testServer {
	t.Helper()
	b := bootWithSMTP(t, databaseURL, append([]string{"LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1"}, env...)...)
	b.Clock.Stop()
	return b
}

// queryFrom sends a query of a person from an address.
func (b *testServer) queryFrom(p *servertest.User, ip, query string, variables ...any) *servertest.Response {
	b.t.Helper()
	header := fromIP(ip)
	if p != nil {
		header.Set("Authorization", "Bearer "+p.Token)
	}
	return b.QueryWith(header, query, variables...)
}

// confirmEmail has a person confirm their address.
func (b *testServer) confirmEmail(p *servertest.User) {
	b.t.Helper()
	b.Query(p, verifyEmail, "t", b.tokenOf(p.Email, "/verify-email")).Must()
}

// mailsWith returns the mails to an address whose subject or link has a text in it.
func (b *testServer) mailsWith(to, text string) (list []mail.Received) {
	b.t.Helper()
	for _, m := range b.mailsTo(to) {
		if strings.Contains(m.Subject+" "+m.Link, text) {
			list = append(list, m)
		}
	}
	return list
}

// changePasswordRepeatedly changes a password n times.
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

// Forty changes of a password would be forty mails to an address that was never verified.
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
			t.Errorf("%d notices to an unverified address, want 1", got)
		}
		b.Clock.Advance(24 * time.Hour)
		p.Token = b.Query(nil, loginQuery, "e", p.Email, "p", p.Password).Must().Text("login.accessToken")
		b.changePasswordRepeatedly(p, 5)
		if got := len(b.mailsTo(p.Email)) - before; got != 2 {
			t.Errorf("%d notices after a day, want 2", got)
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
		// What stops or undoes a change of the address has a share of its own.
		b.Query(p, requestChange, "e", newAddress(), "p", p.Password).Must()
		b.tokenOf(p.Email, "/undo-email-change")
		// And so does the link that recovers the account.
		b.Query(nil, requestReset, "e", p.Email).Must()
		b.tokenOf(p.Email, "/reset-password")
	})
}

// The new address is text that the user chose. A registration with a stranger's address must not mail it to them.
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
			t.Errorf("%d mails, want the link to verify and two notices", len(got))
		}
		for _, m := range got {
			if strings.Contains(m.Subject+m.Text+m.HTML, text) {
				t.Errorf("%q quotes the new address", m.Subject)
			}
		}
		owner := b.NewUser("USER")
		b.confirmEmail(owner)
		b.Query(owner, verifyEmail, "t", b.emailChangeToken(owner, "new-"+text+"@example.com")).Must()
		told := 0
		for _, m := range b.mailsTo(owner.Email) {
			if strings.Contains(m.Text, "new-"+text+"@example.com") && strings.Contains(m.HTML, "new-"+text+"@example.com") {
				told++
			}
		}
		if told != 2 {
			t.Errorf("%d notices to a verified address tell the new one, want 2", told)
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
			{"from thirty IPv6 addresses of one network", func(i int) string { return fmt.Sprintf("2001:db8::%x", i) }, 5},
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

// Accounts of one mailbox under many tags are as good as one.
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

// Others ask for mails to an address that they do not have, until there is no room for more. Its owner still gets one.
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
		if before > 10+5 { // the first of each, and what all share

			t.Errorf("%d mails of strangers", before)
		}
		owner := b.NewUser("USER")
		b.queryFrom(owner, "198.51.100.1", requestChange, "e", address, "p", owner.Password).Must()
		if got := len(b.mailsTo(address)) - before; got != 1 {
			t.Fatalf("%d mails for the owner's own request, want 1", got)
		}
		b.Query(owner, verifyEmail, "t", b.tokenOf(address, "/confirm-email")).Must()
	})
}

// Strangers in other networks register with an address until there is no room for more. Its owner's registration still
// brings a mail.
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
		if before > 20 { // ten to verify the address, ten that say that it has an account
			t.Errorf("%d mails of strangers", before)
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
			t.Errorf("%d links that others asked for, want 10", got)
		}
		b.queryFrom(nil, "198.51.100.7", requestReset, "e", p.Email).Must()
		if got := resets(); got != 11 {
			t.Error("the owner gets no link at the place where they signed in")
		}
		b.queryFrom(nil, "198.51.100.8", requestReset, "e", p.Email).Must()
		if got := resets(); got != 11 {
			t.Errorf("%d links, one of them from a place that is not trusted", got)
		}
	})
}

// queueNotices puts n notices about a person into the outbox, all older than what comes next.
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
			t.Errorf("of %d mails %q and %q came first", len(got), got[0].Subject, got[1].Subject)
		}
	})
}

// A mail server can take minutes for one recipient. Mail to that one does not delay a link to a new password.
func TestSlowNoticeDoesNotDelayARecoveryLink(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		server := mailtest.Start(t, mailtest.Options{Mode: mailtest.SilentAt(mailtest.AtRecipient)})
		b := bootWithSMTPServer(t, databaseURL, server)
		p := b.NewUser("USER") // whose link to verify is what the server is slow with
		var running sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		running.Go(func() { b.internal.Mailer.Run(ctx) })
		server.WaitSilent(t, 1)
		server.SetMode(mailtest.Accept)
		b.Query(nil, requestReset, "e", p.Email).Must()
		if got := server.WaitFor(t, 1)[0]; !strings.Contains(got.Text, "/reset-password?token=") {
			t.Errorf("%q came first", got.Subject)
		}
		cancel()
		server.Stop()
		running.Wait()
	})
}

// Every mail says when and roughly from where it was caused, and nothing that the client says of itself.
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
					t.Errorf("from %s at %s:\n%s", row.ip, at, text)
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
				told := func(what, text string, want int) {
					t.Helper()
					got := b.mailsWith(p.Email, what)
					if len(got) != want {
						t.Errorf("%d mails about a %s, want %d", len(got), what, want)
					}
					if len(got) > 0 && !strings.Contains(got[0].Text, text) {
						t.Errorf("it does not say %q:\n%s", text, got[0].Text)
					}
				}

				b.Query(nil, loginQuery, "e", p.Email, "p", p.Password).Must()
				told("New sign-in", "", 0) // where the account was made
				for range 2 {
					b.queryFrom(nil, "203.0.113.9", loginQuery, "e", p.Email, "p", p.Password).Must()
				}
				told("New sign-in", "203.0.113.0/24", want)

				for range 2 {
					b.queryFrom(admin, "198.51.100.1", `mutation($u: ID!) { setUserRole(userId: $u, role: STAFF) { id } }`, "u", p.ID).Must()
				}
				told("Your role", "to STAFF", want)
				if got := b.mailsWith(p.Email, "Your role"); len(got) > 0 && strings.Contains(got[0].Text, "198.51.100") {
					t.Errorf("the network of the administrator is told:\n%s", got[0].Text)
				}

				b.Query(admin, `mutation($u: ID!, $p: String) { deleteUser(userId: $u, password: $p) }`, "u", p.ID, "p", admin.Password).Must()
				told("was deleted", "deleted", want)
			})
		}
	})
}

// The mailer finds accounts with many failures, so that a failed sign-in does the same work for a known address and an
// unknown one.
func TestTenFailedSignInsSendANotice(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for i, row := range []struct {
			name, setting string
			failures      int
			networks      int
			want          int
		}{
			{"nine", "on", 9, 1, 0},
			{"ten", "on", 10, 1, 1},
			{"ten from ten networks", "on", 10, 10, 1},
			{"ten, with notices off", "off", 10, 1, 0},
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
					t.Fatalf("%d mails, want %d", len(got), row.want)
				}
				if len(got) > 0 && (!strings.Contains(got[0].Text, "10 attempts") || strings.Contains(got[0].Text, "203.0.0.0/24") != (row.networks == 1)) {
					t.Errorf("%s", got[0].Text)
				}
			})
		}
	})
}

// A browser that the account knows by its cookie is no news, wherever it is; another one in the same network is.
func TestSignInFromANewDeviceSendsANotice(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "TRUSTED_PROXIES", "127.0.0.1")
		w := b.newBrowser("203.0.113.9")
		p := w.register()
		w.send(browserRefresh).Must() // the browser has returned its cookie
		w.ip = "198.51.100.3"
		w.signIn(p).Must()
		if got := len(b.mailsWith(p.Email, "New sign-in")); got != 0 {
			t.Errorf("%d notices of a known device", got)
		}
		b.newBrowser("203.0.113.9").signIn(p).Must()
		if got := len(b.mailsWith(p.Email, "New sign-in")); got != 1 {
			t.Errorf("%d notices of a new device, want 1", got)
		}
	})
}

// A mailer that runs looks for failures by itself.
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
		t.Errorf("%q", got.Subject)
	}
	cancel()
	running.Wait()
}

// Budgets are applied when a mail is sent: the request does the same for a mailbox that is full.
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
		full := b.queryFrom(nil, "198.51.100.1", requestReset, "e", p.Email).Must()
		work := b.internal.Store.Queries() - before
		before = b.internal.Store.Queries()
		unknown := b.queryFrom(nil, "198.51.100.2", requestReset, "e", newAddress()).Must()
		if got := b.internal.Store.Queries() - before; got != work || !sameResponse(full, unknown) {
			t.Errorf("%d statements and %s, for an unknown address %d and %s", work, full.Body, got, unknown.Body)
		}
	})
}
