package account

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCleanName(t *testing.T) {
	t.Parallel()
	const (
		empty     = "must not be empty"
		long      = "must have at most 100 characters"
		invisible = "must not contain control characters or invisible formatting"
	)
	for _, tt := range []struct{ name, in, want, message string }{
		{"a name", "Ada Lovelace", "Ada Lovelace", ""},
		{"space around it", " \u3000Ada\u00a0 ", "Ada", ""},
		{"an accent apart", "Jose\u0301", "Jos\u00e9", ""},
		{"signs of names", "D'Arcy O\u2019Neill-Smith, Jr. (Bob)", "D'Arcy O\u2019Neill-Smith, Jr. (Bob)", ""},
		{"markup is only text here", `<b>"&</b>`, `<b>"&</b>`, ""},
		{"right to left", "\u05d3\u05d5\u05d3", "\u05d3\u05d5\u05d3", ""},
		{"joiners, which scripts need", "\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937", ""},
		{"a family", "\U0001f469\u200d\U0001f467", "\U0001f469\u200d\U0001f467", ""},
		{"a heart, which emoji write with a selector", "\u2764\ufe0f", "\u2764\ufe0f", ""},
		{"100 characters", strings.Repeat("\U0001f4a9", 100), strings.Repeat("\U0001f4a9", 100), ""},
		{"100 characters and their accents apart", strings.Repeat("e\u0301", 100), strings.Repeat("\u00e9", 100), ""},
		{"101 characters", strings.Repeat("n", 101), "", long},
		{"1 MB", strings.Repeat("n", 1<<20), "", long},

		{"nothing", "", "", empty},
		{"space", " \t\n\u00a0\u3000", "", empty},
		{"joiners alone", "\u200d\u200c", "", empty},
		{"a Hangul filler", "\u3164", "", empty},
		{"empty Braille patterns", "\u2800 \u2800", "", empty},
		{"a variation selector", "\ufe0f", "", empty},

		{"a newline", "Ada\nBcc: b@x.io", "", invisible},
		{"a carriage return", "Ada\rB", "", invisible},
		{"both", "Ada\r\nBcc: b@x.io", "", invisible},
		{"a NUL", "Ada\x00", "", invisible},
		{"a NUL alone", "\x00", "", invisible},
		{"a tab", "Ada\tB", "", invisible},
		{"a vertical tab", "Ada\vB", "", invisible},
		{"an escape", "Ada\x1b[31m", "", invisible},
		{"DEL", "Ada\x7f", "", invisible},
		{"a next line", "Ada\u0085B", "", invisible},
		{"a line separator", "Ada\u2028B", "", invisible},
		{"a paragraph separator", "Ada\u2029B", "", invisible},
		{"a right-to-left override", "Ada\u202egnp", "", invisible},
		{"an isolate", "Ada\u2066", "", invisible},
		{"a zero-width space", "A\u200bda", "", invisible},
		{"a byte order mark", "\ufeffAda", "", invisible},
		{"a soft hyphen", "A\u00adda", "", invisible},
		{"tag characters", "Ada\U000e0041", "", invisible},
		{"a character for private use", "Ada\ue000", "", invisible},
		{"bytes that are no UTF-8", "Ada\xff", "", invisible},
		{"half a surrogate pair", "Ada\xed\xa0\x80", "", invisible},
		{"the replacement character", "Ada\ufffd", "", invisible},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if clean, message := cleanName(tt.in); clean != tt.want || message != tt.message {
				t.Errorf("%+q, %q, want %+q, %q", clean, message, tt.want, tt.message)
			}
		})
	}
}

// A stored name fits its columns, cleaning it again changes nothing, and its search key is stable.
func FuzzCleanName(f *testing.F) {
	for _, seed := range []string{"Ada", " A\u0301 ", "a\nb", "\u0130\u0130", "\ufb2c", strings.Repeat("\u0130", 100), "\xff", "\u200d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, message := cleanName(name)
		if (clean == "") == (message == "") {
			t.Fatalf("%+q: %+q and %q", name, clean, message)
		}
		if clean == "" {
			return
		}
		if again, _ := cleanName(clean); again != clean {
			t.Fatalf("%+q: %+q, cleaned again %+q", name, clean, again)
		}
		key := searchKey(clean)
		if key != searchKey(key) || utf8.RuneCountInString(key) > 200 {
			t.Fatalf("%+q: the key %+q", name, key)
		}
		if strings.ContainsAny(clean, "\r\n\x00\u0085\u2028\u2029") {
			t.Fatalf("%+q: %+q", name, clean)
		}
	})
}

func TestSearchKey(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, a, b string
		same       bool
	}{
		{"capitals", "ADA", "ada", true},
		{"accents apart", "JOSE\u0301", "jos\u00e9", true},
		{"the Kelvin sign", "\u212a", "k", true},
		{"a capital that is composed only when small", "J\u030c", "\u01f0", true},
		{"a dotted capital I and an i", "\u0130", "i", false},
		{"a dotless i and an i", "\u0131", "i", false},
		{"with and without an accent", "e", "\u00e9", false},
		{"a sharp s and two", "\u00df", "ss", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if a, b := searchKey(tt.a), searchKey(tt.b); (a == b) != tt.same {
				t.Errorf("%+q and %+q", a, b)
			}
		})
	}
}

func TestWeakness(t *testing.T) {
	t.Parallel()
	const (
		short   = "must have at least 8 characters"
		control = "must not contain control characters"
		known   = "must not be your name, your e-mail address or the name of this service"
		around  = known + " with a few characters added"
	)
	for _, tt := range []struct{ name, password, want string }{
		{"8 characters", "kq7vx2pm", ""},
		{"7 characters", "abcdefg", short},
		{"nothing", "", short},
		{"8 emoji", strings.Repeat("\U0001f4a9", 8), ""},
		{"7 emoji, 28 bytes", strings.Repeat("\U0001f4a9", 7), short},
		{"7 letters, 7 accents apart", strings.Repeat("e\u0301", 7), short},
		{"64 emoji", strings.Repeat("\U0001f4a9", 64), ""},
		{"spaces", "        ", commonPassword},
		{"a common password", "Password1", commonPassword},
		{"a sentence", "correct horse battery staple", ""},
		{"no digit and no capital", "quietriverundermoss", ""},
		{"1,024 bytes", strings.Repeat("correct horse battery staple/", 36)[:1024], ""},
		{"one letter 1,024 times", strings.Repeat("a", 1024), commonPassword},
		{"1,025 bytes", strings.Repeat("a", 1025), longPassword},
		{"1,025 bytes, fewer when normalized", strings.Repeat("e\u0301", 341) + "aa", longPassword},
		{"1 MB", strings.Repeat("a", 1<<20), longPassword},
		{"a NUL", "abcdefgh\x00ijkl", control},
		{"a newline", "abcdefgh\n", control},
		{"a tab", "abcd\tefgh", control},
		{"DEL", "abcdefgh\x7f", control},
		{"a C1 control", "abcdefgh\u0085", control},
		{"bytes that are no UTF-8", "abcdefgh\xff", control},
		{"the replacement character", "abcdefgh\ufffd", control},
		{"the address", "ada.lovelace@example.com", known},
		{"the address in capitals", "ADA.LOVELACE@EXAMPLE.COM", known},
		{"the name before the @", "ada.lovelace", known},
		{"the name before the @ in capitals", "ADA.Lovelace", known},
		{"the user's name", "ada lovelace-king", known},
		{"a part of the user's name with more of it", "Ada Lovelace-King III", around},
		{"the service's name", "fieldgate", known},
		{"the service's name in capitals", "FieldGate", known},
		{"the address with something behind it", "ada.lovelace@example.com!", around},
		{"the service's name with something behind it", "fieldgate2026", around},
		{"a passphrase with the service's name in it", "fieldgate keeps my goats", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := weakness(tt.password, 8, "Ada Lovelace-King", "Ada.Lovelace@example.com"); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestWeaknessDoesNotModifyArguments(t *testing.T) {
	t.Parallel()
	others := make([]string, 1, 2)
	others[0] = "ada@example.com"
	weakness("abcdefgh", 8, others...)
	if got := others[:2][1]; got != "" {
		t.Errorf("weakness appended %q to the caller's slice", got)
	}
}

func TestCleanUserAgent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"a browser's", "Mozilla/5.0 (X11; Linux x86_64) \u00e9", "Mozilla/5.0 (X11; Linux x86_64) \u00e9"},
		{"none", "", ""},
		{"a forged log line", "curl\r\nlevel=INFO msg=ok\n", "curllevel=INFO msg=ok"},
		{"a NUL", "cu\x00rl", "curl"},
		{"an escape", "\x1b[31mcurl", "[31mcurl"},
		{"a tab", "cu\trl", "curl"},
		{"a line separator", "cu\u2028rl\u2029", "curl"},
		{"a right-to-left override", "cu\u202erl", "curl"},
		{"bytes that are no UTF-8", "cu\xff\xfe\u00e9rl", "cu\u00e9rl"},
		{"the replacement character", "cu\ufffdrl", "curl"},
		{"only controls", "\r\n\t", ""},
		{"255 characters", strings.Repeat("\u00e9", 255), strings.Repeat("\u00e9", 255)},
		{"256 characters", strings.Repeat("\u00e9", 255) + "e", strings.Repeat("\u00e9", 255)},
		{"255 characters among others", strings.Repeat("\u00e9\n", 256), strings.Repeat("\u00e9", 255)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := cleanUserAgent(tt.in); got != tt.want {
				t.Errorf("%+q, want %+q", got, tt.want)
			}
		})
	}
}

func TestInputErrorListsEveryField(t *testing.T) {
	t.Parallel()
	var check inputCheck
	if err := check.err(); err != nil {
		t.Errorf("error %v without messages, want nil", err)
	}
	check.field("name", "must not be empty")
	check.field("email", "")
	check.field("password", "must have at least 8 characters")
	if got, want := check.err().Error(), "name must not be empty; password must have at least 8 characters"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
