package main

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
)

// bootCounting starts a server that counts mails, behind a proxy that tells clients apart.
func bootCounting(t *testing.T, databaseURL string, env ...string) *booted {
	t.Helper()
	b := bootMailing(t, databaseURL, append([]string{"LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1"}, env...)...)
	b.clock.stop()
	return b
}

// asks sends a query of a person from an address.
func (b *booted) asks(p *person, ip, query string, variables ...any) *answer {
	b.t.Helper()
	header := from(ip)
	if p != nil {
		header.Set("Authorization", "Bearer "+p.token)
	}
	return b.askWith(header, query, variables...)
}

// verifies has a person confirm their address.
func (b *booted) verifies(p *person) {
	b.t.Helper()
	b.ask(p, verifyEmail, "t", b.tokenOf(p.email, "/verify-email")).must()
}

// with returns the mails to an address whose subject or link has a text in it.
func (b *booted) with(to, text string) (list []mail.Received) {
	b.t.Helper()
	for _, m := range b.mails(to) {
		if strings.Contains(m.Subject+" "+m.Link, text) {
			list = append(list, m)
		}
	}
	return list
}

// changesPasswordOften changes a password n times.
func (b *booted) changesPasswordOften(p *person, n int) {
	b.t.Helper()
	for range n {
		next := goodPassword
		if p.password == goodPassword {
			next = anotherGood
		}
		b.ask(p, changePassword, "c", p.password, "n", next).must()
		p.password = next
		b.deliver()
	}
}

// Forty changes of a password would be forty mails to an address that was never verified.
func TestNoticesToAnUnverifiedAddressAreOneADay(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootCounting(t, databaseURL)
		p := b.newPerson("USER")
		before := len(b.mails(p.email))
		b.changesPasswordOften(p, 40)
		for range 5 {
			b.ask(p, requestChange, "e", newAddress(), "p", p.password).must()
		}
		if got := len(b.mails(p.email)) - before; got != 1 {
			t.Errorf("%d notices to an unverified address, want 1", got)
		}
		b.clock.advance(24 * time.Hour)
		p.token = b.ask(nil, loginQuery, "e", p.email, "p", p.password).must().text("login.accessToken")
		b.changesPasswordOften(p, 5)
		if got := len(b.mails(p.email)) - before; got != 2 {
			t.Errorf("%d notices after a day, want 2", got)
		}
	})
}

func TestNoticesToAVerifiedAddressAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootCounting(t, databaseURL)
		p := b.newPerson("USER")
		b.verifies(p)
		b.changesPasswordOften(p, 40)
		if got := len(b.with(p.email, "password")); got != 10 {
			t.Errorf("%d notices of a new password in an hour, want 10", got)
		}
		// What stops or undoes a change of the address has a share of its own.
		b.ask(p, requestChange, "e", newAddress(), "p", p.password).must()
		b.tokenOf(p.email, "/undo-email-change")
		// And so does the link that recovers the account.
		b.ask(nil, requestReset, "e", p.email).must()
		b.tokenOf(p.email, "/reset-password")
	})
}

// The new address is text that the user chose. A registration with a stranger's address must not mail it to them.
func TestNewAddressIsNotToldToAnUnverifiedAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p := b.newPerson("USER")
		const text = "win-a-prize-at-evil.example"
		token := b.changeToken(p, text+"@example.com")
		b.ask(p, verifyEmail, "t", token).must()
		got := b.mails(p.email)
		if len(got) != 3 {
			t.Errorf("%d mails, want the link to verify and two notices", len(got))
		}
		for _, m := range got {
			if strings.Contains(m.Subject+m.Text+m.HTML, text) {
				t.Errorf("%q quotes the new address", m.Subject)
			}
		}
		owner := b.newPerson("USER")
		b.verifies(owner)
		b.ask(owner, verifyEmail, "t", b.changeToken(owner, "new-"+text+"@example.com")).must()
		told := 0
		for _, m := range b.mails(owner.email) {
			if strings.Contains(m.Text, "new-"+text+"@example.com") && strings.Contains(m.HTML, "new-"+text+"@example.com") {
				told++
			}
		}
		if told != 2 {
			t.Errorf("%d notices to a verified address tell the new one, want 2", told)
		}
	})
}

func TestMailsToOneMailboxCountWithoutTheTag(t *testing.T) {
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
				b := bootCounting(t, databaseURL)
				name := fmt.Sprintf("victim%d", people.Add(1))
				for i := range 30 {
					b.asks(nil, row.ip(i), registerAs, "e", fmt.Sprintf("%s+%d@example.com", name, i)).must()
				}
				b.deliver()
				if got := len(b.arrived()); got != row.want {
					t.Errorf("%d mails reach one mailbox, want %d", got, row.want)
				}
			})
		}
	})
}

// Accounts of one mailbox under many tags are as good as one.
func TestAccountsOfOneMailboxGetAFewLinksTogether(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootCounting(t, databaseURL)
		name := fmt.Sprintf("victim%d", people.Add(1))
		for i := range 30 {
			p := &person{email: fmt.Sprintf("%s+%d@example.com", name, i), password: goodPassword}
			ip := fmt.Sprintf("192.0.2.%d", i)
			p.token = b.asks(nil, ip, registerQuery, "e", p.email, "p", p.password).must().text("register.accessToken")
			b.asks(p, ip, `mutation { requestEmailVerification }`).must()
		}
		b.deliver()
		if got := len(b.arrived()); got != 10 {
			t.Errorf("%d links reach one mailbox, want 10", got)
		}
	})
}

// Others ask for mails to an address that they do not have, until there is no room for more. Its owner still gets one.
func TestConfirmationMailsOfOthersDoNotBlockTheOwners(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootCounting(t, databaseURL)
		address := newAddress()
		for i := range 10 {
			stranger := b.newPerson("USER")
			for range 3 {
				b.asks(stranger, fmt.Sprintf("192.0.2.%d", i), requestChange, "e", address, "p", stranger.password).must()
				b.deliver()
			}
		}
		before := len(b.mails(address))
		if before > 10+5 { // the first of each, and what all share

			t.Errorf("%d mails of strangers", before)
		}
		owner := b.newPerson("USER")
		b.asks(owner, "198.51.100.1", requestChange, "e", address, "p", owner.password).must()
		if got := len(b.mails(address)) - before; got != 1 {
			t.Fatalf("%d mails for the owner's own request, want 1", got)
		}
		b.ask(owner, verifyEmail, "t", b.tokenOf(address, "/confirm-email")).must()
	})
}

// Strangers in other networks register with an address until there is no room for more. Its owner's registration still
// brings a mail.
func TestRegistrationsOfOthersDoNotBlockTheOwners(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootCounting(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		address := newAddress()
		for network := range 4 {
			for range 10 {
				b.asks(nil, fmt.Sprintf("192.0.2.%d", network), registerAs, "e", address)
				b.deliver()
			}
		}
		before := len(b.mails(address))
		if before > 20 { // ten to verify the address, ten that say that it has an account
			t.Errorf("%d mails of strangers", before)
		}
		b.asks(nil, "198.51.100.1", registerAs, "e", address)
		if got := len(b.mails(address)) - before; got != 1 {
			t.Errorf("%d mails for the owner's own registration, want 1", got)
		}
	})
}

func TestRecoveryFromATrustedPlaceIsReserved(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootCounting(t, databaseURL)
		p := b.newPerson("USER")
		b.verifies(p)
		b.asks(nil, "198.51.100.7", loginQuery, "e", p.email, "p", p.password).must()
		for i := range 30 {
			b.asks(nil, fmt.Sprintf("192.0.2.%d", i), requestReset, "e", p.email).must()
		}
		resets := func() int { b.t.Helper(); return len(b.with(p.email, "/reset-password")) }
		if got := resets(); got != 10 {
			t.Errorf("%d links that others asked for, want 10", got)
		}
		b.asks(nil, "198.51.100.7", requestReset, "e", p.email).must()
		if got := resets(); got != 11 {
			t.Error("the owner gets no link at the place where they signed in")
		}
		b.asks(nil, "198.51.100.8", requestReset, "e", p.email).must()
		if got := resets(); got != 11 {
			t.Errorf("%d links, one of them from a place that is not trusted", got)
		}
	})
}

// queueNotices puts n notices about a person into the outbox, all older than what comes next.
func (b *booted) queueNotices(p *person, n int) {
	b.t.Helper()
	var rows []*models.Mail
	due := b.store.Now().Add(-time.Hour)
	for range n {
		rows = append(rows, &models.Mail{
			ID: newRowID(), Kind: string(mail.PasswordChanged), UserID: &p.id, Email: p.email, EmailKey: p.email,
			CreatedAt: due, DueAt: due, Priority: models.MailNotice,
		})
	}
	if err := b.store.CreateMails(b.t.Context(), rows); err != nil {
		b.t.Fatal(err)
	}
}

func TestRecoveryLinksAreSentFirst(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p, other := b.newPerson("USER"), b.newPerson("USER")
		b.deliver()
		before := len(b.arrived())
		b.queueNotices(other, 50)
		b.ask(p, `mutation { requestEmailVerification }`).must()
		b.ask(nil, requestReset, "e", p.email).must()
		b.deliver()
		got := b.arrived()
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
		b := bootWithMail(t, databaseURL, server)
		p := b.newPerson("USER") // whose link to verify is what the server is slow with
		var running sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		running.Go(func() { b.mailer.Run(ctx) })
		server.WaitSilent(t, 1)
		server.SetMode(mailtest.Accept)
		b.ask(nil, requestReset, "e", p.email).must()
		if got := server.WaitFor(t, 1)[0]; !strings.Contains(got.Text, "/reset-password?token=") {
			t.Errorf("%q came first", got.Subject)
		}
		cancel()
		server.Stop()
		running.Wait()
	})
}

// Every mail says when and roughly from where it was caused, and nothing that the client says of itself.
func TestMailsSayWhenAndRoughlyFromWhere(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "TRUSTED_PROXIES", "127.0.0.1")
		p := b.newPerson("USER")
		b.deliver()
		b.clock.stop()
		for _, row := range []struct{ ip, want string }{
			{"203.0.113.77", "203.0.113.0/24"},
			{"2001:db8:7:1234:5678::9", "2001:db8:7::/48"},
			{"::ffff:203.0.113.77", "203.0.113.0/24"},
		} {
			header := from(row.ip)
			header.Set("User-Agent", "EvilText/1.0")
			at := b.store.Now().UTC().Format("2006-01-02 15:04 UTC")
			b.askWith(header, requestReset, "e", p.email).must()
			m := b.mails(p.email)[0]
			for _, text := range []string{m.Text, m.HTML} {
				if !strings.Contains(text, row.want) || !strings.Contains(text, at) || strings.Contains(text, row.ip) || strings.Contains(text, "EvilText") {
					t.Errorf("from %s at %s:\n%s", row.ip, at, text)
				}
			}
		}
	})
}

func TestSecurityNotices(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, on := range []bool{true, false} {
			setting, want := "on", 1
			if !on {
				setting, want = "off", 0
			}
			t.Run("SECURITY_NOTICES="+setting, func(t *testing.T) {
				b := bootMailing(t, databaseURL, "SECURITY_NOTICES", setting, "TRUSTED_PROXIES", "127.0.0.1")
				admin, p := b.newPerson("ADMIN"), b.newPerson("USER")
				b.verifies(p)
				told := func(what, text string, want int) {
					t.Helper()
					got := b.with(p.email, what)
					if len(got) != want {
						t.Errorf("%d mails about a %s, want %d", len(got), what, want)
					}
					if len(got) > 0 && !strings.Contains(got[0].Text, text) {
						t.Errorf("it does not say %q:\n%s", text, got[0].Text)
					}
				}

				b.ask(nil, loginQuery, "e", p.email, "p", p.password).must()
				told("New sign-in", "", 0) // where the account was made
				for range 2 {
					b.asks(nil, "203.0.113.9", loginQuery, "e", p.email, "p", p.password).must()
				}
				told("New sign-in", "203.0.113.0/24", want)

				for range 2 {
					b.asks(admin, "198.51.100.1", `mutation($u: ID!) { setUserRole(userId: $u, role: STAFF) { id } }`, "u", p.id).must()
				}
				told("Your role", "to STAFF", want)
				if got := b.with(p.email, "Your role"); len(got) > 0 && strings.Contains(got[0].Text, "198.51.100") {
					t.Errorf("the network of the administrator is told:\n%s", got[0].Text)
				}

				b.ask(admin, `mutation($u: ID!, $p: String) { deleteUser(userId: $u, password: $p) }`, "u", p.id, "p", admin.password).must()
				told("was deleted", "deleted", want)
			})
		}
	})
}

// The mailer finds accounts with many failures, so that a failed sign-in does the same work for a known address and an
// unknown one.
func TestManyFailuresAreTold(t *testing.T) {
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
				b := bootMailing(t, databaseURL, "SECURITY_NOTICES", row.setting, "TRUSTED_PROXIES", "127.0.0.1")
				b.clock.stop()
				b.clock.advance(time.Duration(i) * 10 * time.Minute) // the rows share a database
				p := b.newPerson("USER")
				b.verifies(p)
				for i := range row.failures {
					ip := fmt.Sprintf("203.0.%d.5", i%row.networks)
					wantCodes(t, b.asks(nil, ip, loginQuery, "e", p.email, "p", wrongPassword), "login INVALID_CREDENTIALS")
					wantCodes(t, b.asks(nil, ip, loginQuery, "e", "nobody@example.com", "p", wrongPassword), "login INVALID_CREDENTIALS")
				}
				for range 3 {
					if err := b.mailer.NoticeFailures(t.Context()); err != nil {
						t.Fatal(err)
					}
					b.clock.advance(2 * time.Minute)
				}
				got := b.with(p.email, "Failed sign-ins")
				if len(got) != row.want || len(b.mails("nobody@example.com")) > 0 {
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
func TestNewDeviceInAKnownNetworkIsTold(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "TRUSTED_PROXIES", "127.0.0.1")
		w := b.newBrowser("203.0.113.9")
		p := w.registers()
		w.asks(browserRefresh).must() // the browser has returned its cookie
		w.ip = "198.51.100.3"
		w.signsIn(p).must()
		if got := len(b.with(p.email, "New sign-in")); got != 0 {
			t.Errorf("%d notices of a known device", got)
		}
		b.newBrowser("203.0.113.9").signsIn(p).must()
		if got := len(b.with(p.email, "New sign-in")); got != 1 {
			t.Errorf("%d notices of a new device, want 1", got)
		}
	})
}

// A mailer that runs looks for failures by itself.
func TestRunningMailerTellsOfFailures(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{})
	b := bootWithMail(t, dbtest.SQLite(t), server)
	p := b.newPerson("USER")
	b.verifies(p)
	before := len(server.Messages())
	for range 10 {
		b.ask(nil, loginQuery, "e", p.email, "p", wrongPassword)
	}
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	running.Go(func() { b.mailer.Run(ctx) })
	if got := server.WaitFor(t, before+1)[before]; !strings.Contains(got.Subject, "Failed sign-ins") {
		t.Errorf("%q", got.Subject)
	}
	cancel()
	running.Wait()
}

// Budgets are applied when a mail is sent: the request does the same for a mailbox that is full.
func TestFullMailboxDoesNotShowInTheAnswer(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootCounting(t, databaseURL)
		p := b.newPerson("USER")
		for i := range 15 {
			b.asks(nil, fmt.Sprintf("192.0.2.%d", i), requestReset, "e", p.email).must()
		}
		b.deliver()
		before := b.store.Queries()
		full := b.asks(nil, "198.51.100.1", requestReset, "e", p.email).must()
		work := b.store.Queries() - before
		before = b.store.Queries()
		unknown := b.asks(nil, "198.51.100.2", requestReset, "e", newAddress()).must()
		if got := b.store.Queries() - before; got != work || !sameAnswer(full, unknown) {
			t.Errorf("%d statements and %s, for an unknown address %d and %s", work, full.body, got, unknown.body)
		}
	})
}
