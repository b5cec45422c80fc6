package account

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEmailKey(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("d", 63)
	for _, tt := range []struct{ name, email, want string }{
		{"small letters", "ada@example.com", "ada@example.com"},
		{"capitals", "Ada@EXAMPLE.Com", "ada@example.com"},
		{"capitals before the @", "A@x.io", "a@x.io"},
		{"capitals behind the @", "a@X.IO", "a@x.io"},
		{"an accent", "jos\u00e9@x.io", "jos\u00e9@x.io"},
		{"an accent apart", "jose\u0301@x.io", "jos\u00e9@x.io"},
		{"a capital with an accent apart", "JOSE\u0301@x.io", "jos\u00e9@x.io"},
		{"two marks in another order", "a\u0323\u0307@x.io", "\u1ea1\u0307@x.io"},
		{"two marks in one order", "a\u0307\u0323@x.io", "\u1ea1\u0307@x.io"},
		{"the Kelvin sign", "\u212Aelvin@x.io", "kelvin@x.io"},
		{"the Ohm sign", "\u2126@x.io", "\u03c9@x.io"},
		{"a dotless i is another letter", "\u0131@x.io", "\u0131@x.io"},
		{"an I is an i", "I@x.io", "i@x.io"},
		{"a dotted capital I is no i", "\u0130@x.io", "i\u0307@x.io"},
		{"a dotted capital I apart", "I\u0307@x.io", "i\u0307@x.io"},
		{"a final sigma is another letter", "\u03c2@x.io", "\u03c2@x.io"},
		{"a capital sigma", "\u03a3@x.io", "\u03c3@x.io"},
		{"a small letter that is composed, its capital is not", "J\u030c@x.io", "\u01f0@x.io"},
		{"a sharp s is not two", "stra\u00dfe@x.io", "stra\u00dfe@x.io"},
		{"a capital sharp s", "STRA\u1e9eE@x.io", "stra\u00dfe@x.io"},
		{"a fullwidth letter is another one", "\uff41@x.io", "\uff41@x.io"},
		{"a long s is another letter", "\u017f@x.io", "\u017f@x.io"},
		{"a Cyrillic a is another letter", "\u0430@x.io", "\u0430@x.io"},
		{"emoji", "\U0001f4a9@x.io", "\U0001f4a9@x.io"},
		{"emoji in two colours", "\U0001f44d\U0001f3fd@x.io", "\U0001f44d\U0001f3fd@x.io"},

		{"an international domain", "a@m\u00fcnchen.de", "a@xn--mnchen-3ya.de"},
		{"an international domain in capitals", "a@M\u00dcNCHEN.DE", "a@xn--mnchen-3ya.de"},
		{"an international domain apart", "a@mu\u0308nchen.de", "a@xn--mnchen-3ya.de"},
		{"an international domain in Punycode", "a@xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de"},
		{"an international domain in Punycode and capitals", "a@XN--MNCHEN-3YA.DE", "a@xn--mnchen-3ya.de"},
		{"a sharp s in a domain", "a@fa\u00df.de", "a@xn--fa-hia.de"},
		{"two letters s", "a@fass.de", "a@fass.de"},
		{"a fullwidth domain", "a@\uff38.\uff29\uff2f", "a@x.io"},
		{"an ideographic full stop", "a@x\u3002io", "a@x.io"},
		{"a right-to-left domain", "a@\u05d0\u05d1.com", "a@xn--4dbc.com"},
		{"a Cyrillic domain", "a@\u0430\u0440\u0440\u04cf\u0435.com", "a@xn--80ak6aa92e.com"},

		{"a plus tag", "ada+news@x.io", "ada+news@x.io"},
		{"dots", "a.d.a@x.io", "a.d.a@x.io"},
		{"every allowed sign", "!#$%&'*+-/?=^_`{|}~@x.io", "!#$%&'*+-/?=^_`{|}~@x.io"},
		{"a percent sign is left to the mailbox", "a%y.io@x.io", "a%y.io@x.io"},
		{"digits", "1@2.io", "1@2.io"},
		{"many labels", "a@b.c.d.e.f.io", "a@b.c.d.e.f.io"},
		{"a hyphen", "a@b-c.io", "a@b-c.io"},
		{"a domain that ends in letters and digits", "a@b.c1", "a@b.c1"},
		{"a local part of 64 bytes", strings.Repeat("l", 64) + "@x.io", strings.Repeat("l", 64) + "@x.io"},
		{"a label of 63 bytes", "a@" + label + ".io", "a@" + label + ".io"},
		{"254 bytes", "a@" + label + "." + label + "." + label + "." + label[:60], "a@" + label + "." + label + "." + label + "." + label[:60]},

		{"nothing", "", ""},
		{"no @", "ada", ""},
		{"only an @", "@", ""},
		{"nothing before the @", "@x.io", ""},
		{"nothing behind the @", "ada@", ""},
		{"two @", "a@b@x.io", ""},
		{"two @ in a row", "a@@x.io", ""},
		{"a fullwidth @ alone", "a\uff20x.io", ""},
		{"a fullwidth @ in the domain", "a@b\uff20x.io", ""},
		{"a display name", "Ada <ada@x.io>", ""},
		{"a quoted display name", `"Ada" <ada@x.io>`, ""},
		{"angle brackets", "<ada@x.io>", ""},
		{"a list", "a@x.io,b@x.io", ""},
		{"a group", "g:a@x.io;", ""},
		{"a source route", "@y.io:a@x.io", ""},
		{"mailto", "mailto:a@x.io", ""},
		{"a comment in front", "(c)a@x.io", ""},
		{"a comment behind", "a@x.io(c)", ""},
		{"a comment inside", "a@(c)x.io", ""},
		{"a quoted local part", `"a"@x.io`, ""},
		{"a quoted local part with a space", `"a b"@x.io`, ""},
		{"a backslash", `a\b@x.io`, ""},
		{"an encoded word", "=?utf-8?q?a?=@x.io", ""},
		{"the begin of an encoded word", "a=?x@x.io", ""},
		{"a dot in front", ".a@x.io", ""},
		{"a dot before the @", "a.@x.io", ""},
		{"two dots", "a..b@x.io", ""},
		{"a local part of 65 bytes", strings.Repeat("l", 65) + "@x.io", ""},
		{"a local part of 65 bytes, 33 characters", strings.Repeat("\u00e9", 32) + "l@x.io", ""},
		{"255 bytes", "a@" + label + "." + label + "." + label + "." + label[:61], ""},
		{"a domain that is too long in Punycode", "a@" + strings.Repeat("\u00e9.", 80) + "io", ""},
		{"255 bytes with the domain in Punycode", strings.Repeat("l", 60) + "@" + strings.Repeat("\u00e9.", 24) + "io", ""},
		{"254 bytes with the domain in Punycode", strings.Repeat("l", 59) + "@" + strings.Repeat("\u00e9.", 24) + "io", strings.Repeat("l", 59) + "@" + strings.Repeat("xn--9ca.", 24) + "io"},
		{"1 MB", strings.Repeat("a", 1<<20) + "@x.io", ""},

		{"no dot in the domain", "a@localhost", ""},
		{"a dot in front of the domain", "a@.io", ""},
		{"a dot behind the domain", "a@x.io.", ""},
		{"an ideographic full stop behind the domain", "a@x.io\u3002", ""},
		{"two dots in the domain", "a@x..io", ""},
		{"two dots of different kinds", "a@x.\u3002io", ""},
		{"a two dot leader", "a@x\u2025io", ""},
		{"a hyphen in front of a label", "a@-x.io", ""},
		{"a hyphen behind a label", "a@x-.io", ""},
		{"an underscore in the domain", "a@x_y.io", ""},
		{"a sign in the domain", "a@x!y.io", ""},
		{"a sign that only looks like two letters", "a@\u2100.io", ""},
		{"a label of 64 bytes", "a@" + label + "d.io", ""},
		{"a label that is too long in Punycode", "a@" + strings.Repeat("\u00e9", 60) + ".io", ""},
		{"Punycode that decodes to nothing", "a@xn--.io", ""},
		{"Punycode that decodes to nothing, last", "a@x.xn--", ""},
		{"Punycode that decodes to ASCII", "a@xn--x-.io", ""},
		{"Punycode that decodes to a control character", "a@xn--a.io", ""},
		{"Punycode that decodes to what it must not", "a@xn--example-.io", ""},
		{"Punycode of Punycode", "a@xn--xn---epa.com", ""},
		{"left-to-right in a right-to-left label", "a@\u05d0a.io", ""},
		{"a mark that begins a label", "a@\u0301x.io", ""},
		{"an IPv4 address", "a@127.0.0.1", ""},
		{"an IPv4 address in brackets", "a@[127.0.0.1]", ""},
		{"an IPv6 address", "a@[IPv6:::1]", ""},
		{"a top level of digits", "a@x.123", ""},
		{"a top level of fullwidth digits", "a@x.\uff11\uff12", ""},

		{"a space", "a b@x.io", ""},
		{"a space in front", " a@x.io", ""},
		{"a space behind", "a@x.io ", ""},
		{"a space in the domain", "a@x .io", ""},
		{"a no-break space", "a\u00a0b@x.io", ""},
		{"an ideographic space", "a\u3000@x.io", ""},
		{"an en quad, which NFC makes an en space", "a\u2000b@x.io", ""},
		{"a line separator", "a\u2028b@x.io", ""},
		{"a tab", "a\tb@x.io", ""},
		{"a newline behind", "a@x.io\n", ""},
		{"a carriage return", "a\r@x.io", ""},
		{"a header behind", "a@x.io\r\nBcc: b@x.io", ""},
		{"a folded line", "a@x.io\r\n b", ""},
		{"a NUL", "a\x00@x.io", ""},
		{"a NUL behind", "a@x.io\x00", ""},
		{"DEL", "a\x7f@x.io", ""},
		{"a C1 control", "a\u0085@x.io", ""},
		{"bytes that are no UTF-8", "a\xff@x.io", ""},
		{"the replacement character", "a\ufffd@x.io", ""},
		{"a zero-width space", "a\u200b@x.io", ""},
		{"a zero-width joiner", "a\u200d@x.io", ""},
		{"a zero-width no-break space", "\ufeffa@x.io", ""},
		{"a soft hyphen", "a\u00ad@x.io", ""},
		{"a soft hyphen in the domain", "a@x\u00ady.io", ""},
		{"a right-to-left override", "a\u202eb@x.io", ""},
		{"an isolate", "a\u2066b@x.io", ""},
		{"a variation selector", "a\ufe0f@x.io", ""},
		{"a variation selector in the domain", "a@x\ufe0f.io", ""},
		{"a grapheme joiner", "a\u034f@x.io", ""},
		{"a Hangul filler", "a\u3164@x.io", ""},
		{"an empty Braille pattern", "a\u2800@x.io", ""},
		{"a tag character", "a\U000e0061@x.io", ""},
		{"a character for private use", "a\ue000@x.io", ""},
		{"a code point without a character", "a\u0378@x.io", ""},
		{"a noncharacter", "a\ufffe@x.io", ""},
		{"a Greek question mark, which NFC makes a semicolon", "a\u037eb@x.io", ""},
		{"a bracket that NFC hides", "a<\u0338b@x.io", ""},
		{"a quote", `a"b@x.io`, ""},
		{"a semicolon", "a;b@x.io", ""},
		{"a comma", "a,b@x.io", ""},
		{"a colon", "a:b@x.io", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, message := EmailKey(tt.email)
			if key != tt.want || (message == "") != (tt.want != "") {
				t.Errorf("%+q: %+q, %q, want %+q", tt.email, key, message, tt.want)
			}
		})
	}
}

// A key is its own key. It contains nothing that is unsafe in a mail header or a log line, or that
// breaks a comparison of bytes.
func FuzzEmailKey(f *testing.F) {
	for _, seed := range []string{
		"ada@example.com", "A@X.IO", "jose\u0301@m\u00fcnchen.de", "\u212a@x.io", "\u0130@\u0130.io", "a\u037eb@x.io",
		"<\u0338a@x.io", "=\u0338a@x.io", "a@xn--.io", "a@xn--mnchen-3ya.de", "a@x\u3002io", "a\u2000b@x.io", "\u1fef@x.io",
		"a@\u05d0.com", `"a"@x.io`, "a@b@c.io", "a@x.io\r\nb", "\xff@x.io", "\U0001f4a9@\U0001f4a9.la", "a@1.2.3.4",
		"\ufb2c@x.io", "a@\u2100.io", "a@\u1e9e.io",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, email string) {
		key, message := EmailKey(email)
		if (key == "") == (message == "") {
			t.Fatalf("%+q: %+q and %q", email, key, message)
		}
		if key == "" {
			return
		}
		if again, message := EmailKey(key); again != key {
			t.Fatalf("%+q: %+q, whose key is %+q, %s", email, key, again, message)
		}
		if len(key) > 254 || !utf8.ValidString(key) || strings.Count(key, "@") != 1 {
			t.Fatalf("%+q: %+q", email, key)
		}
		local, domain, _ := strings.Cut(key, "@")
		if strings.ContainsFunc(domain, func(r rune) bool { return r > unicode.MaxASCII }) {
			t.Fatalf("%+q: domain %+q", email, domain)
		}
		for _, s := range []string{email, local, domain} {
			if i := strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }); i >= 0 {
				t.Fatalf("%+q: %+q at %d", email, s, i)
			}
		}
		if strings.ContainsAny(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ\"(),:;<>[\\]") {
			t.Fatalf("%+q: %+q", email, key)
		}
		// ASCII capitals do not change the key.
		upper := strings.Map(func(r rune) rune {
			if r <= unicode.MaxASCII {
				return unicode.ToUpper(r)
			}
			return r
		}, key)
		if again, _ := EmailKey(upper); again != key {
			t.Fatalf("%+q: %+q in capitals is %+q", email, key, again)
		}
	})
}
