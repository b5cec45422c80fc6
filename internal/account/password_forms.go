package account

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// normalizedForms returns the forms in which a password is judged: as it is and, where that differs, in plain Latin letters and
// without the one separator between its parts. Attackers' rules try a common password in such clothes first.
func normalizedForms(password string) []string {
	forms := []string{norm.NFC.String(password)}
	plain := plainLatin(password)
	if plain != forms[0] {
		forms = append(forms, plain)
	}
	if joined := withoutSeparator(plain); joined != plain {
		forms = append(forms, joined)
	}
	return forms
}

// plainLatin writes letters and digits of other blocks of Unicode as those of ASCII, without accents and invisible
// characters: pássword, ｐａｓｓｗｏｒｄ and раssword with two Cyrillic letters are password. A word in another script stays
// what it is: look-alikes count only where every letter is one.
func plainLatin(s string) string {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsMark(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, lower(norm.NFKD.String(s)))
	latin := confusables.Replace(plain)
	if strings.ContainsFunc(latin, func(r rune) bool { return unicode.Is(unicode.Cyrillic, r) || unicode.Is(unicode.Greek, r) }) {
		latin = plain
	}
	return norm.NFC.String(latin)
}

// confusables are small letters, also of capitals that look alike, and what they are taken for.
var confusables = strings.NewReplacer(
	"а", "a", "в", "b", "с", "c", "е", "e", "н", "h", "һ", "h", "і", "i", "ј", "j", "к", "k", "ӏ", "l", "м", "m", "о", "o", "р", "p", "ԛ", "q", "ѕ", "s", "т", "t", "у", "y", "ԝ", "w", "х", "x",
	"α", "a", "β", "b", "ε", "e", "η", "n", "ι", "i", "κ", "k", "μ", "m", "ν", "v", "ο", "o", "ρ", "p", "τ", "t", "υ", "u", "χ", "x", "ω", "w",
	"ı", "i", "ø", "o", "đ", "d", "ħ", "h", "ł", "l", "ß", "ss", "æ", "ae", "œ", "oe",
)

// withoutSeparator removes the only other character among letters and digits, if it stands between several parts:
// 1 2 3 4 5, p.a.s.s. What has more kinds of them is left as it is.
func withoutSeparator(s string) string {
	separator, count, others := rune(0), 0, 0
	for _, r := range s {
		switch {
		case isLetter(r) || unicode.IsDigit(r):
			others++
		case separator == 0 || r == separator:
			separator, count = r, count+1
		default:
			return s
		}
	}
	if count < 2 || count > others {
		return s
	}
	return strings.ReplaceAll(s, string(separator), "")
}
