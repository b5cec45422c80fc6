package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/limit"
	"fieldgate/servertest"
)

// occupyQueue keeps every thread of the password queue busy until free is called.
func (b *testServer) occupyQueue() (free func()) {
	b.t.Helper()
	release := make(chan struct{})
	var working sync.WaitGroup
	for range b.internal.Queue.State().Threads {
		working.Go(func() {
			_ = b.internal.Queue.Do(b.t.Context(), func() error {
				<-release
				return nil
			})
		})
	}
	b.waitUntil("the threads to be busy", func() bool { return b.internal.Queue.State().Busy == b.internal.Queue.State().Threads })
	return func() {
		close(release)
		working.Wait()
	}
}

// waitUntil polls until condition returns true, and ends the test after 20 seconds.
func (b *testServer) waitUntil(what string, condition func() bool) {
	b.t.Helper()
	poll, timeout := time.NewTicker(time.Millisecond), time.After(20*time.Second)
	defer poll.Stop()
	for !condition() {
		select {
		case <-poll.C:
		case <-timeout:
			b.t.Fatalf("timeout while waiting for %s", what)
		}
	}
}

// 28 accounts of one network, each with 5 requests that verify a password, fill the queue. The
// owner of another account can still sign in from another network.
func TestOneNetworkCannotBlockOtherSignIns(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "LIMITS", "off", "TRUSTED_PROXIES", "127.0.0.1")
	owner := b.NewUser("USER")
	room := b.internal.Queue.State().Room
	var accounts []*servertest.User
	for range room/5 + 3 {
		accounts = append(accounts, b.NewUser("USER"))
	}
	const change = `mutation($e: String!, $p: String!) { requestEmailChange(input: {newEmail: $e, password: $p}) }`
	for _, row := range []struct{ name, flood, owner string }{
		{"IPv4", "203.0.113.9", "198.51.100.1"},
		{"IPv6 addresses of one network", "2001:db8:1:2::%x", "2001:db8:1:3::1"},
		{"IPv6 networks of one subscriber", "2001:db8:1:%x::1", "2001:db8:2:3::1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			free := b.occupyQueue()
			before := b.internal.Queue.State().Refused
			var flood sync.WaitGroup
			for i, p := range accounts {
				for j := range 5 {
					flood.Go(func() {
						ip := row.flood
						if strings.Contains(ip, "%x") {
							ip = fmt.Sprintf(ip, 5*i+j+1)
						}
						header := fromIP(ip)
						header.Set("Authorization", "Bearer "+p.Token)
						b.QueryWith(header, change, "e", newAddress(), "p", p.Password)
					})
				}
			}
			surplus := uint64(5*len(accounts) - room)
			b.waitUntil("the queue to be full", func() bool { return b.internal.Queue.State().Refused == before+surplus })
			signIns := make(chan *servertest.Response)
			const attempts = 10
			for range attempts {
				go func() { signIns <- b.login(row.owner, owner.Email, owner.Password) }()
			}
			b.waitUntil("the owner's requests to wait", func() bool { return b.internal.Queue.State().Refused == before+surplus+attempts })
			free()
			signedIn := 0
			for range attempts {
				if got := <-signIns; got.At("login.accessToken") != nil {
					signedIn++
				}
			}
			flood.Wait()
			if signedIn < 9 {
				t.Errorf("got %d sign-ins of %d by the owner, want at least 9", signedIn, attempts)
			}
		})
	}
}

// A flood of changes to the unchanged address costs no hash: the server rejects the address first.
func TestUnchangedEmailIsRejectedBeforeHashing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(homeIP)
		header := http.Header{"Authorization": {"Bearer " + p.Token}}
		const change = `mutation($e: String!, $p: String!) { requestEmailChange(input: {newEmail: $e, password: $p}) }`
		b.internal.Queue.Close() // hashing would return OVERLOADED
		for range 10 {
			for _, password := range []string{p.Password, wrongPassword} {
				got := b.QueryWith(header, change, "e", p.Email, "p", password)
				wantCodes(t, got, "requestEmailChange BAD_USER_INPUT")
				if names := invalidFields(got); fmt.Sprint(names) != "[newEmail]" {
					t.Errorf("got fields %q, want newEmail", names)
				}
			}
		}
		wantCodes(t, b.QueryWith(header, change, "e", newAddress(), "p", p.Password), "requestEmailChange OVERLOADED")
	})
}

// Two networks with 8 requests each wait beside a flood of 48. The queue serves the three in turn,
// so both networks are done when about 8 requests of the flood are.
func TestPasswordQueueIsFairAcrossNetworks(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "LIMITS", "off", "TRUSTED_PROXIES", "127.0.0.1")
	const (
		attacker, one, two = "203.0.113.9", "198.51.100.1", "2001:db8::1"

		honest, flood = 8, 48

		all = flood + 2*honest
	)
	served := make(chan string, all)
	var recording atomic.Bool
	b.internal.Queue.OnWait = func(network string, _ time.Duration) {
		if recording.Load() && network != "" {
			served <- network
		}
	}
	p := b.NewUser("USER")
	free := b.occupyQueue()
	recording.Store(true)
	var answers sync.WaitGroup
	for ip, n := range map[string]int{attacker: flood, one: honest, two: honest} {
		for range n {
			answers.Go(func() { b.login(ip, p.Email, wrongPassword) })
		}
	}
	b.waitUntil("all of them to wait", func() bool { return b.internal.Queue.State().Waiting == all })
	free()
	answers.Wait() // on a busy machine, the last of the flood may have become OVERLOADED
	close(served)
	turns := map[string]int{}
	for network := range served {
		turns[network]++
		o, w, f := turns[limit.Network(one)], turns[limit.Network(two)], turns[limit.Network(attacker)]
		if f > honest+2 && (o < honest || w < honest) {
			t.Fatalf("got %d turns for the flood, %d and %d of %d for the other networks", f, o, w, honest)
		}
		if max(o, w)-min(o, w) > 1 {
			t.Fatalf("got %d and %d turns for two equal networks, want a difference of at most 1", o, w)
		}
	}
	if turns[limit.Network(one)] == 0 {
		t.Fatalf("a network had no turn: %v", turns)
	}
}
