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
		used time.Duration // how long from now the key is used up
		want time.Duration
	}{
		{"an unused key", five, -time.Hour, 0},
		{"a key used once", five, 3 * time.Minute, 0},
		{"a key with one execution left", five, 12 * time.Minute, 0},
		{"a key one microsecond short of an execution", five, 12*time.Minute + time.Microsecond, time.Microsecond},
		{"a key used up now", five, 15 * time.Minute, 3 * time.Minute},
		{"a key used up two minutes ago", five, 13 * time.Minute, time.Minute},
		{"a key used up under a wider limit", five, time.Hour, 48 * time.Minute},
		{"a limit of one, unused", Rate{1, time.Hour}, 0, 0},
		{"a limit of one, used", Rate{1, time.Hour}, time.Hour, time.Hour},
		{"a window that Count does not divide", Rate{7, time.Second}, 7 * 142857 * time.Microsecond, 142857 * time.Microsecond},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := row.rate.Wait(start.Add(row.used), start); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
	if got := five.Wait(time.Time{}, start); got != 0 {
		t.Errorf("no row: got %s, want 0", got)
	}
}

// A fresh key admits exactly Count at once for each rate, without rounding errors.
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
				t.Errorf("%d per %s: got %d at once", count, window, through)
			}
		}
	}
}

func TestNetworkMasksIPv6To64Bits(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, ip, want string }{
		{"an IPv4 address", "192.0.2.7", "192.0.2.7"},
		{"an IPv4-mapped IPv6 address", "::ffff:192.0.2.7", "192.0.2.7"},
		{"an IPv4-mapped address in hexadecimal", "::ffff:c000:207", "192.0.2.7"},
		{"an IPv6 address", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"another address of the same network", "2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"},
		{"an address written in full", "2001:0db8:0001:0002:0000:0000:0000:0001", "2001:db8:1:2::/64"},
		{"the next network", "2001:db8:1:3::", "2001:db8:1:3::/64"},
		{"with a zone", "fe80::1%eth0", "fe80::/64"},
		{"an IPv4-mapped address with a zone", "::ffff:192.0.2.7%eth0", "192.0.2.7"},
		{"an empty string", "", ""},
		{"an address with a port", "192.0.2.7:80", ""},
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
			t.Errorf("%q: got key %x, want the same 32 bytes each time", parts, key)
		}
		if other, exists := seen[string(key)]; exists {
			t.Errorf("%q and %q have the same key", parts, other)
		}
		seen[string(key)] = parts
	}
}
