package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// unknownTokenEntries returns the audit entries about unknown tokens, newest first, each as network
// and count.
func (b *testServer) unknownTokenEntries(admin *servertest.User) (list []string) {
	b.t.Helper()
	got := b.Query(admin, `{ auditLog(first: 100) { edges { node { event detail ip userAgent user { id } actor { id } } } } }`).Must()
	for _, edge := range got.At("auditLog.edges").([]any) {
		node := edge.(map[string]any)["node"].(map[string]any)
		if node["event"] != "unknown token" {
			continue
		}
		if node["user"] != nil || node["actor"] != nil || node["userAgent"] != nil {
			b.t.Errorf("an entry contains more than the network: %v", node)
		}
		list = append(list, fmt.Sprint(node["ip"], " ", node["detail"]))
	}
	return list
}

// TestUnknownTokensAreAuditedOncePerNetworkAndHour checks that guesses of tokens leave one audit
// entry per network and hour.
func TestUnknownTokensAreAuditedOncePerNetworkAndHour(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "TRUSTED_PROXIES", "127.0.0.1")
		b.Clock.Stop()
		// The beginning of an hour.
		b.Clock.Advance(time.Hour - b.internal.Store.Now().Sub(b.internal.Store.Now().Truncate(time.Hour)))
		admin := b.NewUser("ADMIN")
		guess := func(ip string, i int) {
			b.queryFrom(nil, ip, verifyEmail, "t", fmt.Sprint("guess", i))
			b.queryFrom(nil, ip, resetPassword, "t", fmt.Sprint("guess", i), "p", newPassword)
			wantCodes(t, b.queryFrom(nil, ip, refreshInBody, "t", fmt.Sprint("guess", i)), "refresh INVALID_TOKEN")
		}
		for i := range 20 {
			guess(fmt.Sprintf("203.0.113.%d", i), i)
		}
		guess("2001:db8:7:1::1", 0)
		guess("2001:db8:7:2::1", 1)
		// A refresh without a cookie is no guess.
		b.queryFrom(nil, "192.0.2.1", `mutation { refresh { expiresAt } }`)
		if got := strings.Join(b.unknownTokenEntries(admin), ", "); got != "2001:db8:7::/48 6, 203.0.113.0/24 60" && got != "203.0.113.0/24 60, 2001:db8:7::/48 6" {
			t.Errorf("got the entries %s", got)
		}
		b.Clock.Advance(time.Hour)
		admin.Token = b.Query(nil, loginQuery, "e", admin.Email, "p", admin.Password).Must().Text("login.accessToken")
		var guessing sync.WaitGroup
		for i := range 10 {
			guessing.Go(func() { b.queryFrom(nil, "203.0.113.9", verifyEmail, "t", fmt.Sprint("guess", i)) })
		}
		guessing.Wait()
		if got := b.unknownTokenEntries(admin); len(got) != 3 || got[0] != "203.0.113.0/24 10" {
			t.Errorf("an hour later: got the entries %q", got)
		}
	})
}
