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

// The response time does not reveal the reason of a response.
//
// The bounds are wide, for busy machines: they detect a missing hash, and little less. On an idle
// machine, set rounds to 200 and maxDifference to 0.05.
//
//	go test -count=1 -tags exhaustive -run TakesTheSameTime -v ./test/e2e
//
// These tests are not parallel, so that no other test of this package runs at the same time.

func TestFailedLoginTakesTheSameTime(t *testing.T) {
	b := boot(t, dbtest.SQLite(t), "BCRYPT_COST", "10", "LOG_LEVEL", "info")
	user, disabled := b.NewUser("USER"), b.NewUser("USER")
	if _, err := b.internal.Accounts.AsOperator().Disable(t.Context(), disabled.ID); err != nil {
		t.Fatal(err)
	}
	logIn := func(email, password string) func() {
		return func() { wantCodes(t, b.Query(nil, login, "e", email, "p", password), "login INVALID_CREDENTIALS") }
	}
	wantSameTime(t, 1, []timedRequest{
		{"a wrong password", logIn(user.Email, "wrong password")},
		{"an unknown address", logIn("nobody@example.com", "wrong password")},
		{"an invalid address", logIn("nobody", "wrong password")},
		{"the correct password of a disabled account", logIn(disabled.Email, servertest.Password)},
	})
}

// TestPasswordResetRequestTakesTheSameTime covers every state of the address, while mails are being
// sent.
func TestPasswordResetRequestTakesTheSameTime(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL, "LOG_LEVEL", "error")
		go b.internal.Mailer.Run(t.Context())
		verified, unverified, disabled := b.NewUser("USER"), b.NewUser("USER"), b.NewUser("USER")
		b.Query(nil, verifyEmail, "t", b.tokenOf(verified.Email, "/verify-email"), "p", verified.Password).Must()
		if _, err := b.internal.Accounts.AsOperator().Disable(t.Context(), disabled.ID); err != nil {
			t.Fatal(err)
		}
		request := func(email string) func() { return func() { b.Query(nil, requestReset, "e", email).Must() } }
		wantSameTime(t, 4, []timedRequest{
			{"an unknown address", request("unknown@example.com")},
			{"an account's address", request(verified.Email)},
			{"an unverified address", request(unverified.Email)},
			{"a disabled account's address", request(disabled.Email)},
		})
	})
}

// TestRegistrationTakesTheSameTime uses the low hash cost of the tests, so that a hash does not
// hide what the database does.
func TestRegistrationTakesTheSameTime(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL, "LOG_LEVEL", "error", "REQUIRE_VERIFIED_EMAIL", "true")
		go b.internal.Mailer.Run(t.Context())
		register := func(email func() string) func() {
			return func() { wantCodes(t, b.Query(nil, registerAs, "e", email()), "register EMAIL_NOT_VERIFIED") }
		}
		verified, unverified := newAddress(), newAddress()
		for _, taken := range []string{verified, unverified} {
			register(func() string { return taken })()
		}
		b.Query(nil, verifyEmail, "t", b.tokenOf(verified, "/verify-email"), "p", servertest.Password).Must()
		wantSameTime(t, 4, []timedRequest{
			{"a new address", register(servertest.NewAddress)},
			{"an account's address", register(func() string { return verified })},
			{"an unverified address", register(func() string { return unverified })},
		})
	})
}

// timedRequest is a kind of request.
type timedRequest struct {
	name string
	send func()
}

// wantSameTime times each kind of request in rounds times factor rounds. A factor of 1 is enough
// where a hash takes most of the time.
func wantSameTime(t *testing.T, factor int, kinds []timedRequest) {
	t.Helper()
	const rounds, maxDifference = 25, 0.15
	timings := make([][]time.Duration, len(kinds))
	for range rounds * factor {
		for i, kind := range kinds { // interleaved, so that other load affects all kinds alike
			begin := time.Now()
			kind.send()
			timings[i] = append(timings[i], time.Since(begin))
		}
	}
	base := median(timings[0])
	for i, kind := range kinds[1:] {
		m, z := median(timings[i+1]), rankSum(timings[0], timings[i+1])
		difference := math.Abs(float64(m-base)) / float64(base)
		t.Logf("%s: median %v, %s %v, %.1f %% difference, z = %.1f", kind.name, m, kinds[0].name, base, 100*difference, z)
		if difference > maxDifference && math.Abs(z) > 4 {
			t.Errorf("%s can be distinguished from %s by its response time", kind.name, kinds[0].name)
		}
	}
}

func median(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// rankSum returns by how many standard deviations two samples differ in the Mann–Whitney U test.
// Beyond 4 they have different distributions, whatever their variance.
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
