package account

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestCommonPasswordsAreRejected(t *testing.T) {
	t.Parallel()
	for _, password := range []string{
		"password", "password1", "Password1", "PASSWORD1", "password123", "Password123!", "P@ssw0rd", "p@$$w0rd", "passw0rd1", "drowssap",
		"12345678", "123456789", "1234567890", "87654321", "11111111", "00000000", "123123123", "aaaaaaaa", "abcdefgh", "abcd1234",
		"qwertyuiop", "qwerty123", "asdfghjkl", "1q2w3e4r", "1qaz2wsx", "zxcvbnm1", "iloveyou", "iloveyou1", "letmein1", "welcome1",
		"admin123", "changeme", "trustno1", "football1", "sunshine", "princess", "superman", "basketball", "hunter2hunter2", "19901231",
		"        ", "passwordpassword",

		// Keyboard rows: shifted, reversed, in columns and zigzag, beside words.
		"!@#$%^&*", "!@#$%^&*()", ")(*&^%$#@!", "!@#$%^&*()_+", "qwerty!@#$%", "Qwerty!@#$%", "!@#$%qwerty", "QWERTY!@#$%^", "asdfgh!@#$%", "qwer!@#$",
		"1qaz!QAZ", "!QAZ2wsx", "!QAZ@WSX", "zaq1@WSX", "1qaz2wsx3edc", "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qazwsxedcrfvtgbyhnujm", "1q2w3e4r!@#$%", "1Q2w3E4r5T^y",
		"1q2w3e4r5t6y7u8i9o0p", "poiuytrewq", "mnbvcxzlkjhgfdsapoiuytrewq", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiop", "azertyuiop", "qwe123asd456zxc789",
		"qwertyuiop[]\\asdfghjkl;'zxcvbnm,./",
		// Words combined with rows and substitutes.
		"Passw0rd!@#$%", "P@ssw0rd!@#$%", "P@$$w0rd!@#$%^", "p@$$w0rd!!!!!!!!!!!!!!!!!!!!!!", "password!@#$%^&*()", "!@#$%password", "admin!@#$%", "letmein!@#$%^", "Dragon!@#$", "iloveyou!@#$%",
		"p1a2s3s4w5o6r7d8", "pAsSwOrD1", "PaSsWoRd!@#$%", "!@#$%DROWSSAP", "mOnKeY!@#$%",
		"P@ssw0rd123!@#", "Admin123!@#", "qwerty123!@#", "password2024!", "Summer2024!", "Winter2025!!", "!!Summer2026", "Password#?=;", "P4$$w0rd{}[]", "Welcome1!@#$", "1234qwer!@#$",
		// Repetition, however long.
		strings.Repeat("a", 25), strings.Repeat("A", 1024), strings.Repeat("q", 25), strings.Repeat(" ", 30), strings.Repeat("!", 30), strings.Repeat("\u00e9", 30), strings.Repeat("\u043f", 30),
		strings.Repeat("ab", 20), strings.Repeat("abc", 9), strings.Repeat("1234567890", 3), strings.Repeat("password", 4), strings.Repeat("Password1!", 3), strings.Repeat("password ", 4),
		strings.Repeat("P@ssw0rd!@#$%", 3), strings.Repeat("qwerty", 100), strings.Repeat("a1!", 341), strings.Repeat("x", 72) + "y", strings.Repeat("a", 30) + "1", "1" + strings.Repeat("a", 30),
		"aaaaaaaaaabbbbbbbbbbcccccccccc", "aabbccddeeffgghhiijjkkll", "111222333444555666777888999000", "password1password2password3", "password1password2password3password4", "passwordpasswordpassword1",
		strings.Repeat("qwertyuiopasdfghjklzxcvbnm1234567890", 5), "dragon dragon dragon dragon", "iloveyouiloveyouiloveyou!",
		// Sequences.
		"abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "AbCdEfGhIjKlMnOpQrStUvWxYz", "abcdefghijklmnopqrstuvwxyz0123456789", "01234567890123456789012345", "98765432109876543210987654",
		"a1b2c3d4e5f6g7h8", "acegikmoqsuwy", "1357924680135792", "abc123def456ghi789", "a.b.c.d.e.f.g.h.i.j.k.l.m", "\u0430\u0431\u0432\u0433\u0434\u0435\u0436\u0437\u0438\u0439\u043a\u043b\u043c\u043d",
	} {
		if classify(password, nil) != common {
			t.Errorf("%q is accepted", password)
		}
	}
	for _, password := range []string{
		"correct horse battery", "correct horse battery staple", "correcthorsebatterystaple", "another good password", "wrong password",
		"quiet river under moss", "kq7vx2pmtz", "Zo\u00eb's passphrase", "mein Hund hei\u00dft Bello", "пароль из слов", "一个很长的密码短语",
		strings.Repeat("\U0001f511", 64), "!@$%+(<{[|!@$%+(<{[|", "correct horse battery staple correct horse battery staple", "x7!kQ2@mZ9#p",
		"Tr0ub4dor&3 and friends", "four-Words_with.Punctuation", "my 3 cats eat 12 mice", "the quick brown fox jumps", "QzX9mK2p", "vT4$hR8!", "sun7moon9star4", "fjords vex quick waltz nymph",
	} {
		if v := classify(password, nil); v != strong {
			t.Errorf("%q is rejected", password)
		}
	}
}

func TestPersonalPasswordsAreRejected(t *testing.T) {
	t.Parallel()
	names := []string{"Ada Lovelace", "countess.ada@analytical.example", "Difference Engines"}
	for _, password := range []string{
		"fieldgate", "fieldgate1", "Fieldgate!", "FIELDGATE2026", "123fieldgate", "!!fieldgate!!", "f1eldg4te", "fieldgatefieldgate", "fieldgate fieldgate", "etagdleif1", "Fieldgate!@#$%", "field-gate-1",
		"Ada Lovelace", "Ada Lovelace1", "AdaLovelace1", "ada.lovelace!", "ADA_LOVELACE_2026", "ada_lovelace_1815!!", "analytical.example1", "1Ada Lovelace1", "LovelaceAda12", "Lovelace, Ada", "Lovelace1815", "4da Lov3lace", "ecalevol ada", "Ada Lovelace!@#$%", "Ada Lovelace Ada Lovelace",
		"countess.ada", "countess.ada1", "countess.ada@analytical.example", "countess.ada@analytical.example1", "Countess!", "adacountess99", "analytical1", "Difference Engines", "differenceengines1", "Engines2026",
	} {
		if got := weakness(password, 8, names...); got == "" {
			t.Errorf("%q is accepted", password)
		}
	}
	for _, password := range []string{
		"ada lovelace loves long poems", "countess of the analytical engine", "Ada7#kQ2!vM9", "fieldgate keeps my four goats", "lovelace9Qz7xK2m",
	} {
		if got := weakness(password, 8, names...); got != "" {
			t.Errorf("%q %s", password, got)
		}
	}
}

// words are 64 common words for passphrases.
var words = strings.Fields(`apple river stone cloud garden window purple engine rocket velvet marble copper forest island bridge candle
	winter summer planet shadow silver hammer pencil carpet kitchen blanket lantern compass harbor meadow thunder whisper
	turtle falcon badger walrus otter beaver lizard parrot pepper ginger butter walnut cherry almond tomato potato
	violin guitar trumpet piano ladder bucket shovel needle thread button ribbon pocket jacket helmet saddle anchor`)

func TestRandomPasswordsAreAccepted(t *testing.T) {
	t.Parallel()
	var r *rand.Rand
	of := func(alphabet string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b)
	}
	phrase := func(n int, separator string) string {
		list := make([]string, n)
		for i, j := range r.Perm(len(words))[:n] {
			list[i] = words[j]
		}
		return strings.Join(list, separator)
	}
	const lowerCase, digits, symbols = "abcdefghijklmnopqrstuvwxyz", "0123456789", "!@#$%^&*()-_=+[]{};:,.<>?/|~"
	const letters = lowerCase + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for name, generate := range map[string]func() string{
		"8 characters of all kinds":     func() string { return of(letters+digits+symbols, 8) },
		"10 letters and digits":         func() string { return of(lowerCase+digits, 10) },
		"12 characters of all kinds":    func() string { return of(letters+digits+symbols, 12) },
		"16 symbols":                    func() string { return of(symbols, 16) },
		"16 hex digits":                 func() string { return of("0123456789abcdef", 16) },
		"16 digits":                     func() string { return of(digits, 16) },
		"20 letters":                    func() string { return of(lowerCase, 20) },
		"43 base64 characters":          func() string { return of(letters+digits+"-_", 43) },
		"1,024 characters of all kinds": func() string { return of(letters+digits+symbols, 1024) },
		"3 words":                       func() string { return phrase(3, " ") },
		"4 words":                       func() string { return phrase(4, " ") },
		"4 words without separator":     func() string { return phrase(4, "") },
		"4 words with hyphens":          func() string { return phrase(4, "-") },
		"3 words and a number":          func() string { return phrase(3, ".") + of(digits, 2) },
		"6 words":                       func() string { return phrase(6, " ") },
	} {
		t.Run(name, func(t *testing.T) {
			r = rand.New(rand.NewPCG(1, 2)) // the same passwords in each run
			for range 60 {
				password := generate()
				if got := weakness(password, 8, "Ada Lovelace", "ada@example.com"); got != "" {
					t.Errorf("%q %s", password, got)
				}
			}
		})
	}
}

// The check of even the most expensive password is cheap compared with a hash.
func TestWeaknessCheckIsFast(t *testing.T) {
	t.Parallel()
	// The bound is for a loaded machine. The check usually takes 1 ms and at most 20 ms.
	const trials, bound = 200, 500 * time.Millisecond
	letters := []rune("abegilostxz0123456789" + substitutes)
	timed := func(password string) {
		begin := time.Now()
		weakness(password, 8, "Ada Lovelace", "ada@example.com")
		if took := time.Since(begin); took > bound {
			t.Errorf("%.60q took %v, want at most %v", password, took, bound)
		}
	}
	for range trials {
		password := make([]rune, maxEstimatedLength)
		for i := range password {
			password[i] = letters[rand.IntN(len(letters))]
		}
		timed(string(password))
	}
	for _, password := range []string{
		strings.Repeat("a1!", maxPasswordBytes/3), strings.Repeat("a", 1024), strings.Repeat("ab", 512), strings.Repeat(strings.Repeat("a", 31)+"b", 32), strings.Repeat("aaaaaaab", 128),
		strings.Repeat("qwertyuiop", 102), strings.Repeat("@({[<!|$+%", 102), strings.Repeat("\U0001f511", 256),
	} {
		timed(password)
	}
}

// The estimator is a dependency that reads client input: it must not panic.
func FuzzCommon(f *testing.F) {
	for _, seed := range []string{"", "password1", "p@ssw0rd", "\u212a\u0130\u017f", "\U0001f511\U0001f511", "e\u0301", "1/1/1990", "aaaa", "\u200d\u200d", "19901231a!", "\U0001f511\u0660\u0661\u0662", strings.Repeat("\u00e9a", 30)} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, password string) {
		weakness(password, 1, password)
	})
}
