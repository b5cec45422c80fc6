package account

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// normalizedForms returns the forms in which a password is checked: as typed and, where different,
// in plain Latin letters and without a separator between its parts. Attackers try these variants of
// common passwords first.
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

// plainLatin maps letters and digits of other Unicode blocks to ASCII and drops accents and
// invisible characters: pássword, ｐａｓｓｗｏｒｄ and раssword with two Cyrillic letters become password.
// It keeps words in other scripts: confusables are mapped only if every letter is one.
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

// confusables maps lower-case letters to the Latin letters that they, or their capitals, look like.
var confusables = strings.NewReplacer(
	"а", "a", "в", "b", "с", "c", "е", "e", "н", "h", "һ", "h", "і", "i", "ј", "j", "к", "k", "ӏ", "l", "м", "m", "о", "o", "р", "p", "ԛ", "q", "ѕ", "s", "т", "t", "у", "y", "ԝ", "w", "х", "x",
	"α", "a", "β", "b", "ε", "e", "η", "n", "ι", "i", "κ", "k", "μ", "m", "ν", "v", "ο", "o", "ρ", "p", "τ", "t", "υ", "u", "χ", "x", "ω", "w",
	"ı", "i", "ø", "o", "đ", "d", "ħ", "h", "ł", "l", "ß", "ss", "æ", "ae", "œ", "oe",
)

// withoutSeparator removes the only character that is neither letter nor digit, if it separates
// several parts: 1 2 3 4 5, p.a.s.s. It leaves strings with several such characters unchanged.
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
