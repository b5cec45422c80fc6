package limit

import "testing"

func TestSiteMasksIPv6To48Bits(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ network, want string }{
		{"2001:db8:1:2::/64", "2001:db8:1::/48"},
		{"2001:db8:1:ffff::/64", "2001:db8:1::/48"},
		{"2001:db8:2:2::/64", "2001:db8:2::/48"},
		{"192.0.2.7", "192.0.2.7"},
		{"", ""},
	} {
		if got := Site(row.network); got != row.want {
			t.Errorf("%q: got %q, want %q", row.network, got, row.want)
		}
	}
}
