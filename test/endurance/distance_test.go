//go:build failure

package endurance

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/programtest"
)

// rtt is the round-trip time to the distant database.
const rtt = 100 * time.Millisecond

// distantServer is a server whose database is behind a forwarder, with the state of its operations.
type distantServer struct {
	t            *testing.T
	server       *programtest.Server
	trips        *roundTrips
	client       *http.Client
	userNumber   int
	accessToken  string
	refreshToken string // the refresh token
	email        string
}

// operations are measured in this order. Each uses the results of those before it.
var operations = []string{"__typename", "register", "login", "me", "sessions", "refresh", "updateProfile", "logout"}

func (d *distantServer) run(operation string) *programtest.Answer {
	d.t.Helper()
	const payload = `{ accessToken refreshToken user { id } }`
	send := func(signedIn bool, query string, variables map[string]any) *programtest.Answer {
		d.t.Helper()
		header := http.Header{"X-Forwarded-For": {fmt.Sprintf("10.0.%d.1", d.userNumber)}}
		if signedIn {
			header.Set("Authorization", "Bearer "+d.accessToken)
		}
		a, err := programtest.Post(d.client, d.server.URL, header, query, variables)
		noError(d.t, err)
		if a.Code() != "" {
			d.t.Fatalf("%s: %s", operation, a.Body)
		}
		return a
	}
	take := func(a *programtest.Answer) *programtest.Answer {
		d.accessToken, d.refreshToken = a.Text(operation+".accessToken"), a.Text(operation+".refreshToken")
		return a
	}
	switch operation {
	case "register":
		d.userNumber++
		d.email = fmt.Sprintf("distant-%d@example.com", d.userNumber)
		return take(send(false, `mutation($e: String!, $p: String!) { register(input: {name: "Ada", email: $e, password: $p, delivery: BODY}) `+payload+` }`,
			map[string]any{"e": d.email, "p": programtest.Password}))
	case "login":
		return take(send(false, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, delivery: BODY}) `+payload+` }`,
			map[string]any{"e": d.email, "p": programtest.Password}))
	case "refresh":
		return take(send(false, `mutation($t: String!) { refresh(refreshToken: $t) `+payload+` }`, map[string]any{"t": d.refreshToken}))
	case "updateProfile":
		return send(true, `mutation { updateProfile(input: {name: "Grace"}) { name } }`, nil)
	case "logout":
		return send(true, `mutation { logout }`, nil)
	case "__typename":
		return send(false, `{ __typename }`, nil)
	}
	return send(true, `{ `+operation+` { id } }`, nil)
}

// operationCost is the minimum over several rounds.
type operationCost struct {
	time  time.Duration
	trips int64 // to the database
}

// measure runs each operation several times.
func (d *distantServer) measure(rounds int) map[string]operationCost {
	d.t.Helper()
	costs := map[string]operationCost{}
	for range rounds {
		for _, operation := range operations {
			begin, before := time.Now(), d.trips.count.Load()
			d.run(operation)
			took, trips := time.Since(begin), d.trips.count.Load()-before
			if c, known := costs[operation]; known {
				took, trips = min(took, c.time), min(trips, c.trips)
			}
			costs[operation] = operationCost{took, trips}
		}
	}
	return costs
}

// TestDistantDatabaseCostsRoundTripsOnly checks that a database 100 ms away slows each operation by
// its round trips only: no request fails, the server stays ready, and reading a session takes one
// round trip.
func TestDistantDatabaseCostsRoundTripsOnly(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.MySQL(t)
	u, err := url.Parse(databaseURL)
	noError(t, err)
	forwarder := clustertest.Forward(t, u.Host)
	d := &distantServer{t: t, trips: countRoundTrips(t, forwarder.Addr()), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}}
	t.Cleanup(d.client.CloseIdleConnections)
	d.server = programtest.Start(t, programtest.Build(t), "DATABASE_URL="+strings.Replace(databaseURL, u.Host, d.trips.listener.Addr().String(), 1), "ENV=production", "PUBLIC_URL=https://api.example.com",
		"TRUSTED_PROXIES=127.0.0.1")
	near := d.measure(5)
	forwarder.SetDelay(rtt/2, rtt/2)
	d.run("register") // opens the connections that the pool has not
	far := d.measure(3)

	var rows strings.Builder
	rows.WriteString("\n| operation | round trips | time without delay | time at 100 ms |\n|---|--:|--:|--:|\n")
	for _, operation := range operations {
		n, f := near[operation], far[operation]
		if operation != "__typename" {
			fmt.Fprintf(&rows, "| `%s` | %d | %d ms | %d ms |\n", operation, n.trips, n.time.Milliseconds(), f.time.Milliseconds())
		}
		// Round trips are counted without the delay: with it, the checks of every second would be
		// counted, too.
		if least := time.Duration(n.trips) * rtt; f.time < least {
			t.Errorf("%s took %s for %d round trips, which is less than their delay", operation, f.time, n.trips)
		}
	}
	reportFigures(t, "distance", rows.String())
	for operation, want := range map[string]int64{"__typename": 0, "me": 1, "sessions": 2} {
		if got := near[operation].trips; got != want {
			t.Errorf("%s takes %d round trips to the database, want %d", operation, got, want)
		}
	}

	// More concurrent requests than the pool has connections. Most of these must be opened first.
	d.run("register")
	var sending sync.WaitGroup
	for range 96 {
		sending.Go(func() {
			a, err := programtest.Post(d.client, d.server.URL, programtest.Bearer(d.accessToken), `{ me { id } }`, nil)
			if err != nil || a.Code() != "" {
				t.Errorf("me: %v %+v", err, a)
			}
		})
	}
	sending.Wait()
	if status := d.server.Status("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d", status)
	}
	for _, line := range d.server.Log(t) {
		if line["level"] == "ERROR" {
			t.Errorf("%v", line)
		}
	}
	d.server.Stop(t)
}
