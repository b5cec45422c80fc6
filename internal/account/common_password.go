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
	// minGuesses is how many guesses a password must be worth. It is zxcvbn's limit between passwords that can be
	// guessed online and those that take a stolen database.
	minGuesses = 1e6
	// maxEstimatedLength is in characters. The estimator's work grows at least with the square of the length. A password
	// that is longer after its patterns were reduced is in no list.
	maxEstimatedLength = 24
	// maxWordLength is how long a common word with something around it can be.
	maxWordLength = 16
	// maxSubstitutes is how many different substitutes the estimator gets to see. It tries all combinations of
	// what they may stand for: with all ten that takes as long as a hash.
	maxSubstitutes = 2
	substitutes    = "@({[<!|$+%"
)

// plainLetters are the letters that substitutes usually stand for, when there are too many to try others.
var plainLetters = strings.NewReplacer("@", "a", "(", "c", "{", "c", "[", "c", "<", "c", "!", "i", "|", "l", "$", "s", "+", "t", "%", "x")

// passwordClass is why a password is too easy to guess.
type passwordClass int

const (
	strong   passwordClass = iota
	common                 // one of the first that an attacker tries
	personal               // the same, and made of what is known of the person
)

// classify estimates whether an attacker without the database could guess a password: one from a list, a word or
// name, rows of keys, sequences, dates and repetitions, with the usual substitutes, digits and punctuation.
// Case does not count. known are what personalWords returns.
//
// It judges the whole password: several words that are common one by one make a good passphrase. There are no
// rules about what kinds of characters a password has.
func classify(password string, known []string) passwordClass {
	whole := lower(password)
	letters, rest := splitLetters(whole)
	form := reduce([]rune(whole)) // password1!, qwerty!@#$%, hunter2hunter2
	if v := estimate(form, known); v != strong {
		return v
	}
	sorted := append(reduce([]rune(letters)), reduce([]rune(rest))...)                   // p1a2s3s4, password1password2password3
	if 3*len(sorted) <= 2*utf8.RuneCountInString(whole) && !slices.Equal(form, sorted) { // else it is by chance
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

// isDecorated reports whether a password is a common one with digits and punctuation around it: Summer2024!,
// Admin123!@#. The estimate of the whole adds much for each part, since it does not know that this is how people
// extend a word.
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

// isGuessable reports whether what a password has besides known words can be guessed: little that is not a letter, or as
// little as a password that is common.
func isGuessable(more string) bool {
	const few = 8
	form := reduce([]rune(more))
	return len(form) <= few && !strings.ContainsFunc(more, isLetter) || estimate(form, nil) != strong
}

// removeWords returns a password without the known words in it.
func removeWords(password string, known []string) string {
	for _, word := range known {
		password = strings.ReplaceAll(password, word, "")
	}
	return password
}

func isLetter(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }

// splitLetters returns the letters of a password and the rest of it.
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

// guesses estimates how many guesses a password takes; of one that is too long to estimate, endlessly many.
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

// minPersonalWord is how many letters a part of a name or address has to be searched for in passwords.
const minPersonalWord = 3

// personalWords returns what is searched for in passwords: names, addresses and this service's name, whole and in
// parts, in lower case. The longest come first.
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
