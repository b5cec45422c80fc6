package account

import "unicode"

const (
	maxReductions = 8  // maximum number of passes of reduce
	maxPeriod     = 32 // of a repetition, in characters
	maxStepPeriod = 4  // of a pattern of steps: 1qaz2wsx3edc has 4
)

// reduce replaces each repetition, sequence and keyboard walk by its first characters: aaaaaa
// becomes a, passwordpassword password, abcdefgh a, !@#$% 12, 1q2w3e4r5t 1q. It takes linear time.
// The password must be in lower case.
func reduce(s []rune) []rune {
	for range maxReductions {
		shorter := reduceOnce(s)
		if len(shorter) == len(s) {
			break
		}
		s = shorter
	}
	return s
}

func reduceOnce(s []rune) (out []rune) {
	keys := make([]key, len(s))
	for i, r := range s {
		keys[i] = keyboard[r]
	}
	for i := 0; i < len(s); {
		length, start := patternAt(s[i:], keys[i:])
		if length == 0 {
			length, start = 1, s[i:i+1]
		}
		out = append(out, start...)
		i += length
	}
	return out
}

// patternAt returns the length of the longest pattern at the start of s and the characters to
// replace it by, or 0.
func patternAt(s []rune, keys []key) (length int, start []rune) {
	take := func(n, atLeast int, what []rune) {
		if n >= atLeast && n > length {
			length, start = n, what
		}
	}
	if len(s) > 1 && s[0] == s[1] && unicode.Is(unicode.So, s[0]) {
		return 0, nil // emoji: there are thousands
	}
	for period := 1; period <= maxPeriod && period < len(s); period++ {
		n := period
		for n < len(s) && s[n] == s[n-period] {
			n++
		}
		atLeast := max(2*period, 6) // abab may be a coincidence
		if period == 1 {
			atLeast = 3
		}
		take(n, atLeast, s[:startOf(n, period)])
	}
	for period := 1; period <= maxStepPeriod && period < len(s); period++ {
		n := period + 1
		for n < len(s) && s[n]-s[n-1] == s[n-period]-s[n-period-1] {
			n++
		}
		take(n, 2*period+2, s[:startOf(n, period)])
		n = keyRun(keys, period)
		atLeast := 2*period + 2
		if period == 1 && keys[0].row == 0 && keys[0] != keys[1] {
			atLeast = 3 // 123, !@#
		}
		take(n, atLeast, plainKeys(keys[:startOf(n, period)]))
	}
	return length, start
}

// startOf returns how many characters replace a pattern of length n. A short pattern leaves two,
// since it may be a coincidence.
func startOf(n, period int) int {
	const short = 5
	if period == 1 && n <= short {
		return 2
	}
	return period
}

// keyRun returns how many keys at the start follow steps that repeat after period.
func keyRun(keys []key, period int) int {
	for n := range keys {
		switch {
		case keys[n].plain == 0:
			return n
		case n <= period:
		case keys[n].minus(keys[n-1]) != keys[n-period].minus(keys[n-period-1]):
			return n
		}
	}
	return len(keys)
}

// key is a key of the US keyboard layout: its position, and its character without Shift. Other
// layouts differ in a few keys, so their rows are found in parts.
type key struct {
	column, row int
	plain       rune // 0: no such key
}

func (k key) minus(o key) [2]int { return [2]int{k.column - o.column, k.row - o.row} }

func plainKeys(keys []key) []rune {
	plain := make([]rune, len(keys))
	for i, k := range keys {
		plain[i] = k.plain
	}
	return plain
}

// keyboard maps characters, with and without Shift, to their keys.
var keyboard = func() map[rune]key {
	keys := map[rune]key{}
	for row, line := range [][2]string{
		{"1234567890-=", "!@#$%^&*()_+"},
		{`qwertyuiop[]\`, `qwertyuiop{}|`},
		{"asdfghjkl;'", `asdfghjkl:"`},
		{"zxcvbnm,./", "zxcvbnm<>?"},
	} {
		shifted := []rune(line[1])
		for column, plain := range line[0] {
			keys[plain] = key{column, row, plain}
			keys[shifted[column]] = key{column, row, plain}
		}
	}
	return keys
}()
