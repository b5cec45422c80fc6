//go:build exhaustive

package e2e

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// How long an answer takes does not tell why it is the one it is.
//
// The bounds are wide, for machines with other work: they detect a missing hash, and not much less. On a quiet
// machine, set rounds to 200 and widest to 0.05.
//
//	go test -count=1 -tags exhaustive -run TakesTheSameTime -v ./test/e2e
//
// These tests are not parallel, so that no other test of this package runs beside them.

func TestFailedLoginTakesTheSameTime(t *testing.T) {
	b := boot(t, dbtest.SQLite(t), "BCRYPT_COST", "10", "LOG_LEVEL", "info")
	person, shut := b.NewUser("USER"), b.NewUser("USER")
	if _, err := b.internal.Accounts.AsOperator().Disable(t.Context(), shut.ID); err != nil {
		t.Fatal(err)
	}
	ask := func(email, password string) func() {
		return func() { wantCodes(t, b.Query(nil, login, "e", email, "p", password), "login INVALID_CREDENTIALS") }
	}
	wantSameTime(t, 1, []timedRequest{
		{"a wrong password", ask(person.Email, "wrong password")},
		{"an unknown address", ask("nobody@example.com", "wrong password")},
		{"what is no address", ask("nobody", "wrong password")},
		{"the right password of a shut account", ask(shut.Email, servertest.Password)},
	})
}

// Whoever has the address, and while mails are being sent, too.
func TestPasswordResetRequestTakesTheSameTime(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL, "LOG_LEVEL", "error")
		go b.internal.Mailer.Run(t.Context())
		proven, unproven, shut := b.NewUser("USER"), b.NewUser("USER"), b.NewUser("USER")
		b.Query(nil, verifyEmail, "t", b.tokenOf(proven.Email, "/verify-email"), "p", proven.Password).Must()
		if _, err := b.internal.Accounts.AsOperator().Disable(t.Context(), shut.ID); err != nil {
			t.Fatal(err)
		}
		ask := func(email string) func() { return func() { b.Query(nil, requestReset, "e", email).Must() } }
		wantSameTime(t, 4, []timedRequest{
			{"an unknown address", ask("nobodyat@example.com")},
			{"an account's address", ask(proven.Email)},
			{"one that was not verified", ask(unproven.Email)},
			{"a shut account's", ask(shut.Email)},
		})
	})
}

// At the cost of the tests a hash hides nothing of what the database does.
func TestRegistrationTakesTheSameTime(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL, "LOG_LEVEL", "error", "REQUIRE_VERIFIED_EMAIL", "true")
		go b.internal.Mailer.Run(t.Context())
		register := func(email func() string) func() {
			return func() { wantCodes(t, b.Query(nil, registerAs, "e", email()), "register EMAIL_NOT_VERIFIED") }
		}
		proven, unproven := newAddress(), newAddress()
		for _, taken := range []string{proven, unproven} {
			register(func() string { return taken })()
		}
		b.Query(nil, verifyEmail, "t", b.tokenOf(proven, "/verify-email"), "p", servertest.Password).Must()
		wantSameTime(t, 4, []timedRequest{
			{"a new address", register(servertest.NewAddress)},
			{"an account's address", register(func() string { return proven })},
			{"one that was not verified", register(func() string { return unproven })},
		})
	})
}

// timedRequest is a kind of request.
type timedRequest struct {
	name string
	send func()
}

// wantSameTime times so many rounds, as a multiple of what is enough where a hash takes most of the time.
func wantSameTime(t *testing.T, times int, kinds []timedRequest) {
	t.Helper()
	const rounds, widest = 25, 0.15
	timings := make([][]time.Duration, len(kinds))
	for range rounds * times {
		for i, kind := range kinds { // internal turn, so that what else the machine does falls on all alike
			begin := time.Now()
			kind.send()
			timings[i] = append(timings[i], time.Since(begin))
		}
	}
	base := median(timings[0])
	for i, kind := range kinds[1:] {
		m, z := median(timings[i+1]), rankSum(timings[0], timings[i+1])
		apart := math.Abs(float64(m-base)) / float64(base)
		t.Logf("%s: median %v, %s %v, %.1f %% apart, z = %.1f", kind.name, m, kinds[0].name, base, 100*apart, z)
		if apart > widest && math.Abs(z) > 4 {
			t.Errorf("%s can be told from %s by its time", kind.name, kinds[0].name)
		}
	}
}

func median(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// rankSum is how many standard deviations two samples lie apart by the test of Mann and Whitney: beyond 4 they are
// of two kinds, however wide they scatter.
func rankSum(a, b []time.Duration) (z float64) {
	type timing struct {
		took time.Duration
		ofA  bool
	}
	all := make([]timing, 0, len(a)+len(b))
	for _, took := range a {
		all = append(all, timing{took, true})
	}
	for _, took := range b {
		all = append(all, timing{took, false})
	}
	slices.SortFunc(all, func(x, y timing) int { return cmp.Compare(x.took, y.took) })
	var ranks float64
	for i, x := range all {
		if x.ofA {
			ranks += float64(i + 1)
		}
	}
	n, m := float64(len(a)), float64(len(b))
	return (ranks - n*(n+m+1)/2) / math.Sqrt(n*m*(n+m+1)/12)
}
