package account

import (
	"strings"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"
)

const (
	// commonGuesses is how many guesses a password is worth that is not common: zxcvbn's own line between what
	// somebody finds out who tries at the front door, and what takes a stolen database.
	commonGuesses = 1e6
	// maxCommonLength is in characters. What is longer is in no list of passwords that people have in common, and
	// the estimate's work grows with the square of the length, at the best.
	maxCommonLength = 24
	// maxSubstitutes is how many different characters of substitutes a common password has. The estimate tries
	// all combinations of what they may stand for: with all ten of them it takes as long as a hash, with three at
	// most some 20 ms.
	maxSubstitutes = 3
	substitutes    = "@({[<!|$+%"
)

// common reports whether a password is one of the first that somebody would try: from the list of those found in
// leaks, a single word or name, a row of keys, a date, one letter over and over, and those with the usual
// substitutes or a digit or two behind them. It judges the whole of it: words that are common one by one make a
// good passphrase. There are no other rules about what a password is made of.
func common(password string) bool {
	if utf8.RuneCountInString(password) > maxCommonLength {
		return false
	}
	seen := 0
	for _, c := range substitutes {
		if strings.ContainsRune(password, c) {
			seen++
		}
	}
	return seen <= maxSubstitutes && zxcvbn.PasswordStrength(password, nil).Guesses < commonGuesses
}
