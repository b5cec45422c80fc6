package account

import "testing"

func TestMailboxStripsTag(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"ada@example.com":     "ada@example.com",
		"ada+x@example.com":   "ada@example.com",
		"ada+x+y@example.com": "ada@example.com",
		"ada+@example.com":    "ada@example.com",
		"+x@example.com":      "+x@example.com",
		`"a@b+c"@example.com`: `"a@b@example.com`,
		"no address":          "no address",
		"":                    "",
	} {
		if got := mailbox(key); got != want {
			t.Errorf("mailbox(%q) = %q, want %q", key, got, want)
		}
	}
}

func TestCoarseNetworkMasksAddress(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{
		"203.0.113.77":            "203.0.113.0/24",
		"::ffff:203.0.113.77":     "203.0.113.0/24",
		"2001:db8:7:1234:5678::9": "2001:db8:7::/48",
		"fe80::1%eth0":            "fe80::/48",
		"127.0.0.1":               "127.0.0.0/24",
		"":                        "",
		"evil text":               "",
	} {
		if got := coarseNetwork(ip); got != want {
			t.Errorf("coarseNetwork(%q) = %q, want %q", ip, got, want)
		}
	}
}
