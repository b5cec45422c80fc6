package account

import "testing"

// Attackers try these variants of common passwords first, and browsers and phones produce some.
func TestDisguisedCommonPasswordsAreRejected(t *testing.T) {
	t.Parallel()
	for _, password := range []string{
		// Letters and digits of other blocks of Unicode, look-alikes, accents.
		"ｐａｓｓｗｏｒｄ", "ＱＷＥＲＴＹＵＩ", "１２３４５６７８", "𝗽𝗮𝘀𝘀𝘄𝗼𝗿𝗱", "𝓹𝓪𝓼𝓼𝔀𝓸𝓻𝓭1", "ⓟⓐⓢⓢⓦⓞⓡⓓ", "pássword", "pâsswörd1", "p\u0332assword",
		"раssword", "pаssword1", "раѕѕwоrd", "ΡASSWΟRD1", "passw\u03bfrd123", "pa\u017fsword", "ı\u200blovey\u200bou1", "pass\u200bword", "pass\u00adword",
		// A word, a month or a season with a year, as forced changes make them.
		"Password2026!", "January2026!", "january2026", "Summer2026!", "Winter2025!!", "Welcome2026!", "2026Welcome!", "dragon2026!", "Admin@2026", "changeme2026", "Monkey#1999", "!2024Football",
		// One separator between the characters or words.
		"1 2 3 4 5 6 7 8", "q-w-e-r-t-y-u-i", "p.a.s.s.w.o.r.d", "password.123.password.123.password", "2026-01-01", "i_love_you_1",
	} {
		if weakness(password, 8) != commonPassword {
			t.Errorf("%q is accepted", password)
		}
	}
	for _, password := range []string{
		"пароль из слов", "κωδικός από λέξεις", "mein Hund heißt Bello", "Zoë's passphrase", "naïve café déjà vu",
		"my dog was born in 2019", "2026 was the year of copper", "four goats since 1987", "correct-horse-battery-staple", "river.stone.cloud.garden", "kq7vx2019pmtz", "zQ9!2024vX#m",
	} {
		if got := weakness(password, 8); got != "" {
			t.Errorf("%q %s", password, got)
		}
	}
	for _, password := range []string{"ａｄａ ｌｏｖｅｌａｃｅ", "Adа Lоvelace1", "Adá Lovelace!", "ＦＩＥＬＤＧＡＴＥ1", "l-o-v-e-l-a-c-e"} {
		if weakness(password, 8, "Ada Lovelace", "ada@example.com") == "" {
			t.Errorf("%q is accepted", password)
		}
	}
	for _, password := range []string{"Chloe Moreau1", "chloémoreau!"} {
		if weakness(password, 8, "Chloé Moreau", "c@example.com") == "" {
			t.Errorf("%q is accepted", password)
		}
	}
}
