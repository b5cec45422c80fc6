package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

// deletionsTold counts the mails to an address that say that its account was deleted.
func (b *booted) deletionsTold(to string) (n int) {
	b.t.Helper()
	for _, m := range b.mails(to) {
		if strings.Contains(m.Subject, "was deleted") {
			n++
		}
	}
	return n
}

// verifiedPerson is newPerson with an address that is verified.
func (b *booted) verifiedPerson() *person {
	b.t.Helper()
	p := b.newPerson("USER")
	b.ask(p, verifyEmail, "t", b.tokenOf(p.email, "/verify-email")).must()
	return p
}

// A thief with a session and the password changes the address, confirms it and deletes the account, so that nobody can take
// it back. The owner can.
func TestDeletionWaitsUntilAChangeOfAddressCannotBeUndone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name   string
			change func(b *booted, p *person)
		}{
			{"a change", func(b *booted, p *person) {
				b.ask(p, verifyEmail, "t", b.changeToken(p, newAddress())).must()
			}},
			{"a change whose warning was not sent yet", func(b *booted, p *person) {
				token := b.changeToken(p, newAddress())
				execute(t, databaseURL, "DELETE FROM tickets WHERE slot IS NULL")
				b.ask(p, verifyEmail, "t", token).must()
			}},
			{"two changes", func(b *booted, p *person) {
				b.ask(p, verifyEmail, "t", b.changeToken(p, newAddress())).must()
				b.ask(p, verifyEmail, "t", b.changeToken(p, newAddress())).must()
			}},
			{"a change that was only asked for", func(b *booted, p *person) { b.changeToken(p, newAddress()) }},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootMailing(t, databaseURL)
				p := b.verifiedPerson()
				row.change(b, p)
				wantCodes(t, b.ask(p, deleteAccount, "p", wrongPassword), "deleteAccount INVALID_CREDENTIALS")
				got := b.ask(p, deleteAccount, "p", p.password)
				wantCodes(t, got, "deleteAccount CONFLICT")
				until, err := time.Parse(time.RFC3339, got.errors[0].Extensions["until"].(string))
				if left := until.Sub(b.clock.now()); err != nil || left < 71*time.Hour || left > 73*time.Hour || !strings.Contains(got.errors[0].Message, until.Format("2006-01-02")) {
					t.Errorf("no date until when: %s", got.body)
				}
				wantCodes(t, b.ask(nil, registerAs, "e", p.email), "register EMAIL_TAKEN")
				b.ask(nil, verifyEmail, "t", b.tokenOf(p.email, "/undo-email-change")).must()
				b.ask(nil, resetPassword, "t", b.tokenOf(p.email, "/reset-password"), "p", owners).must()
				if got := b.ask(nil, login, "e", p.email, "p", owners).must(); got.at("login.user.id") != p.id {
					t.Error(got.body)
				}
			})
		}
	})
}

func TestDeletionGoesThroughWhenNoUndoLives(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p, to := b.verifiedPerson(), newAddress()
		b.ask(p, verifyEmail, "t", b.changeToken(p, to)).must()
		b.deliver() // the link's time begins when it is sent
		p.email = to
		b.clock.advance(72*time.Hour - time.Minute)
		phone := b.newDevice(p, false)
		wantCodes(t, b.ask(phone.person, deleteAccount, "p", p.password), "deleteAccount CONFLICT")
		b.clock.advance(2 * time.Minute)
		b.ask(phone.person, deleteAccount, "p", p.password).must()
		if n := b.deletionsTold(to); n != 1 {
			t.Errorf("%d mails to the account's address", n)
		}
		if b.accepts(to, p.password) {
			t.Error("the account is there")
		}
	})
}

// An ADMIN's deletion ends the undo, and every address that could undo is told, whatever else is turned off.
func TestAdminsDeletionEndsTheUndoAndTellsEveryAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name   string
			env    []string
			delete func(b *booted, p *person)
			told   int // the account's own address
		}{
			{"by deleteUser", nil, func(b *booted, p *person) {
				admin := b.newPerson("ADMIN")
				b.ask(admin, deleteUser, "u", p.id, "p", admin.password).must()
			}, 1},
			{"on the command line", nil, func(b *booted, p *person) {
				if _, err := b.accounts.AsOperator().Delete(t.Context(), p.id, nil); err != nil {
					t.Fatal(err)
				}
			}, 1},
			{"without notices", []string{"SECURITY_NOTICES", "off"}, func(b *booted, p *person) {
				admin := b.newPerson("ADMIN")
				b.ask(admin, deleteUser, "u", p.id, "p", admin.password).must()
			}, 0},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootMailing(t, databaseURL, row.env...)
				p := b.verifiedPerson()
				first, second := newAddress(), newAddress()
				b.ask(p, verifyEmail, "t", b.changeToken(p, first)).must()
				b.ask(p, verifyEmail, "t", b.changeToken(p, second)).must()
				undos := []string{b.tokenOf(p.email, "/undo-email-change"), b.tokenOf(first, "/undo-email-change")}
				row.delete(b, p)
				got := []int{b.deletionsTold(p.email), b.deletionsTold(first), b.deletionsTold(second)}
				if !slices.Equal(got, []int{1, 1, row.told}) {
					t.Errorf("mails to the addresses, the oldest first: %v", got)
				}
				for _, undo := range undos {
					wantCodes(t, b.ask(nil, verifyEmail, "t", undo), "verifyEmail INVALID_TOKEN")
				}
				for _, email := range []string{p.email, first, second} {
					b.ask(nil, registerAs, "e", email).must() // free again
				}
			})
		}
	})
}
