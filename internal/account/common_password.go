package account

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"
)

const (
	// minGuesses is the minimum estimated number of guesses. It is zxcvbn's threshold between
	// passwords that can be guessed online and those that require a stolen database.
	minGuesses = 1e6
	// maxEstimatedLength is in characters. The estimator's work grows at least with the square of
	// the length. A password that is longer after reduction is in no list.
	maxEstimatedLength = 24
	// maxWordLength is the maximum length of a common word inside a decorated password.
	maxWordLength = 16
	// maxSubstitutes is the maximum number of distinct substitutes passed to the estimator. It
	// tries every combination of their meanings: all ten take as long as a hash.
	maxSubstitutes = 2
	substitutes    = "@({[<!|$+%"
)

// plainLetters replaces substitutes by the letters that they usually stand for. It applies when
// there are too many to try alternatives.
var plainLetters = strings.NewReplacer(
	"@", "a", "(", "c", "{", "c", "[", "c", "<", "c", "!", "i", "|", "l", "$", "s", "+", "t", "%", "x",
)

// passwordClass is the result of classify.
type passwordClass int

const (
	strong   passwordClass = iota
	common                 // one of the first that an attacker tries
	personal               // common, and made of the user's own data
)

// classify estimates whether an attacker without the database could guess a password. It detects
// listed passwords, words and names, keyboard rows, sequences, dates and repetitions, also with
// common substitutes, digits and punctuation. Case does not count. known are the words that
// personalWords returns.
//
// It classifies the whole password: several common words make a good passphrase. No rule demands
// kinds of characters.
func classify(password string, known []string) passwordClass {
	whole := lower(password)
	letters, rest := splitLetters(whole)
	form := reduce([]rune(whole)) // password1!, qwerty!@#$%, hunter2hunter2
	if v := estimate(form, known); v != strong {
		return v
	}
	// p1a2s3s4, password1password2password3
	sorted := append(reduce([]rune(letters)), reduce([]rune(rest))...)
	// Otherwise the pattern is a coincidence.
	if 3*len(sorted) <= 2*utf8.RuneCountInString(whole) && !slices.Equal(form, sorted) {
		if v := estimate(sorted, known); v != strong {
			return v
		}
	}
	if isDecorated(whole) {
		return common
	}
	for _, form := range []string{whole, letters + rest} {
		if more := removeWords(form, known); more != form && isGuessable(more) {
			return personal
		}
	}
	return strong
}

var year = regexp.MustCompile(`(?:19|20)[0-9]{2}`)

// isDecorated reports whether a password is a common word with digits and punctuation around it,
// such as Summer2024! or Admin123!@#. The estimate of the whole password is too high here: it adds
// much for each part and does not know that users extend words like this.
func isDecorated(password string) bool {
	core := strings.TrimFunc(password, func(r rune) bool { return !isLetter(r) })
	before, after, _ := strings.Cut(password, core)
	around := string(slices.Compact([]rune(year.ReplaceAllString(before+after, "2"))))
	word := reduce([]rune(core))
	if len(word) == 0 || len(word) > maxWordLength || around == "" {
		return false
	}
	return guesses(word, nil).Guesses*guesses(reduce([]rune(around)), nil).Guesses < minGuesses
}

// isGuessable reports whether the rest of a password beside known words can be guessed: a few
// characters that are not letters, or a common password.
func isGuessable(more string) bool {
	const few = 8
	form := reduce([]rune(more))
	return len(form) <= few && !strings.ContainsFunc(more, isLetter) || estimate(form, nil) != strong
}

// removeWords returns a password without the known words.
func removeWords(password string, known []string) string {
	for _, word := range known {
		password = strings.ReplaceAll(password, word, "")
	}
	return password
}

func isLetter(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }

// splitLetters returns the letters of a password and the other characters.
func splitLetters(password string) (letters, rest string) {
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

func estimate(form []rune, known []string) passwordClass {
	result := guesses(form, known)
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

// guesses estimates how many guesses a password takes. The result is infinite for a password that
// is too long to estimate.
func guesses(form []rune, known []string) zxcvbn.Result {
	if len(form) > maxEstimatedLength {
		return zxcvbn.Result{Guesses: math.Inf(1)}
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
	return zxcvbn.PasswordStrength(password, known)
}

// minPersonalWord is the minimum number of letters of a part of a name or address that is searched
// for in passwords.
const minPersonalWord = 3

// personalWords returns the words that are searched for in passwords, in lower case, longest first:
// names, addresses and this service's name, whole and in parts.
func personalWords(names ...string) (words []string) {
	add := func(word string) {
		if utf8.RuneCountInString(word) >= minPersonalWord && !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	keys := []string{productName}
	for _, name := range names {
		keys = append(keys, searchKey(name), plainLatin(name))
	}
	for _, name := range keys {
		add(name)
		local, domain, _ := strings.Cut(name, "@")
		add(local)
		label, _, _ := strings.Cut(domain, ".")
		add(label)
		add(domain)
		parts := strings.FieldsFunc(local, func(r rune) bool { return !isLetter(r) })
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
