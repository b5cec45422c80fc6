package account

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"
)

const (
	// minGuesses is how many guesses a password must be worth. It is zxcvbn's limit between passwords that can be
	// guessed online and those that take a stolen database.
	minGuesses = 1e6
	// maxEstimated is in characters. The estimator's work grows at least with the square of the length. A password
	// that is longer after its patterns were reduced is in no list.
	maxEstimated = 24
	// maxSubstitutes is how many different substitutes the estimator gets to see. It tries all combinations of
	// what they may stand for: with all ten that takes as long as a hash, with three at most about 20 ms.
	maxSubstitutes = 3
	substitutes    = "@({[<!|$+%"
)

// plainLetters are the letters that substitutes usually stand for, when there are too many to try others.
var plainLetters = strings.NewReplacer("@", "a", "(", "c", "{", "c", "[", "c", "<", "c", "!", "i", "|", "l", "$", "s", "+", "t", "%", "x")

// verdict is why a password is too easy to guess.
type verdict int

const (
	strong   verdict = iota
	common           // one of the first that an attacker tries
	personal         // the same, and made of what is known of the person
)

// judge estimates whether an attacker without the database could guess a password: one from a list, a word or
// name, rows of keys, sequences, dates and repetitions, with the usual substitutes, digits and punctuation.
// Case does not count. known are what knownWords returns.
//
// It judges the whole password: several words that are common one by one make a good passphrase. There are no
// rules about what kinds of characters a password has.
func judge(password string, known []string) verdict {
	whole := lower(password)
	letters, rest := splitLetters(whole)
	v := max(
		estimate(reduce([]rune(whole)), known),                                    // password1!, qwerty!@#$%, hunter2hunter2
		estimate(append(reduce([]rune(letters)), reduce([]rune(rest))...), known)) // p1a2s3s4, password1password2password3
	if v != strong {
		return v
	}
	for _, form := range []string{whole, letters + rest} {
		if more := without(form, known); more != form && estimate(reduce([]rune(more)), nil) != strong {
			return personal
		}
	}
	return strong
}

// without returns a password without the known words in it.
func without(password string, known []string) string {
	for _, word := range known {
		password = strings.ReplaceAll(password, word, "")
	}
	return password
}

// splitLetters returns the letters of a password and the rest of it.
func splitLetters(password string) (letters, rest string) {
	isLetter := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }
	only := func(want bool) string {
		return strings.Map(func(r rune) rune {
			if isLetter(r) != want {
				return -1
			}
			return r
		}, password)
	}
	return only(true), only(false)
}

func estimate(form []rune, known []string) verdict {
	if len(form) > maxEstimated {
		return strong
	}
	password := string(form)
	kinds := 0
	for _, c := range substitutes {
		if strings.ContainsRune(password, c) {
			kinds++
		}
	}
	if kinds > maxSubstitutes {
		password = plainLetters.Replace(password)
	}
	result := zxcvbn.PasswordStrength(password, known)
	if result.Guesses >= minGuesses {
		return strong
	}
	for _, m := range result.Sequence {
		if m.DictionaryName == "user_inputs" {
			return personal
		}
	}
	return common
}

// minKnown is how many letters a part of a name or address has to be searched for in passwords.
const minKnown = 3

// knownWords returns what is searched for in passwords: names, addresses and this service's name, whole and in
// parts, in lower case. The longest come first.
func knownWords(names ...string) (words []string) {
	add := func(word string) {
		if utf8.RuneCountInString(word) >= minKnown && !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	for _, name := range slices.Concat(names, []string{product}) {
		name = searchKey(name)
		add(name)
		local, domain, _ := strings.Cut(name, "@")
		add(local)
		label, _, _ := strings.Cut(domain, ".")
		add(label)
		parts := strings.FieldsFunc(local, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
		reversed := slices.Clone(parts)
		slices.Reverse(reversed)
		for _, separator := range []string{"", " ", ".", "_", "-", ", "} {
			add(strings.Join(parts, separator))
			add(strings.Join(reversed, separator))
		}
		for _, part := range parts {
			add(part)
		}
	}
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	return words
}
