package limit

import (
	"bytes"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestWaitFollowsGCRA(t *testing.T) {
	t.Parallel()
	five := Rate{Count: 5, Window: 15 * time.Minute} // a step is 3 minutes
	for _, row := range []struct {
		name string
		rate Rate
		used time.Duration // from now, how long the key is used up
		want time.Duration
	}{
		{"a key that nobody has used", five, -time.Hour, 0},
		{"one used once", five, 3 * time.Minute, 0},
		{"one with one slot left", five, 12 * time.Minute, 0},
		{"one that just misses the last slot", five, 12*time.Minute + time.Microsecond, time.Microsecond},
		{"one that is full", five, 15 * time.Minute, 3 * time.Minute},
		{"one that was full two minutes ago", five, 13 * time.Minute, time.Minute},
		{"one that was full under a wider limit", five, time.Hour, 48 * time.Minute},
		{"a limit of one, free", Rate{1, time.Hour}, 0, 0},
		{"a limit of one, used", Rate{1, time.Hour}, time.Hour, time.Hour},
		{"a limit that no microsecond divides", Rate{7, time.Second}, 7 * 142857 * time.Microsecond, 142857 * time.Microsecond},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := row.rate.Wait(start.Add(row.used), start); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
	if got := five.Wait(time.Time{}, start); got != 0 {
		t.Errorf("no row at all: %s", got)
	}
}

// Whatever the rate, a fresh key lets exactly Count through at once: no rounding gives or takes one.
func TestFreshKeyAdmitsExactlyCountAtOnce(t *testing.T) {
	t.Parallel()
	for _, window := range []time.Duration{time.Second, 7 * time.Second, 15 * time.Minute, time.Hour, 24 * time.Hour} {
		for _, count := range []int{1, 2, 3, 5, 7, 30, 77, 600, 997, 1000} {
			r, until, through := Rate{count, window}, start, 0
			for r.Wait(until, start) == 0 {
				until = until.Add(r.Step())
				through++
			}
			if through != count {
				t.Errorf("%d per %s: %d", count, window, through)
			}
		}
	}
}

func TestNetworkMasksIPv6To64Bits(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, ip, want string }{
		{"an IPv4 address", "192.0.2.7", "192.0.2.7"},
		{"the same as an IPv6 one", "::ffff:192.0.2.7", "192.0.2.7"},
		{"the same in hexadecimal", "::ffff:c000:207", "192.0.2.7"},
		{"an IPv6 address", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"another of the same network", "2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"},
		{"the same written out", "2001:0db8:0001:0002:0000:0000:0000:0001", "2001:db8:1:2::/64"},
		{"the next network", "2001:db8:1:3::", "2001:db8:1:3::/64"},
		{"with a zone", "fe80::1%eth0", "fe80::/64"},
		{"a mapped one with a zone", "::ffff:192.0.2.7%eth0", "192.0.2.7"},
		{"nothing", "", ""},
		{"what is no address", "192.0.2.7:80", ""},
		{"a name", "localhost", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := Network(row.ip); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestKeyDependsOnPartBoundaries(t *testing.T) {
	t.Parallel()
	seen := map[string][]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"ab", ""}, {"", "ab"}, {"a\x00b"}, {"b", "a"}} {
		key := Key(parts...)
		if len(key) != 32 || !bytes.Equal(key, Key(parts...)) {
			t.Errorf("%q: %x", parts, key)
		}
		if other, there := seen[string(key)]; there {
			t.Errorf("%q and %q have the same key", parts, other)
		}
		seen[string(key)] = parts
	}
}
