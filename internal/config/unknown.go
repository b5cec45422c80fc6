package config

import (
	"fmt"
	"slices"
	"strings"

	"fieldgate/internal/spelling"
)

// UnknownVariable is a variable that is set, that the server does not read, and whose name resembles one that it reads.
type UnknownVariable struct {
	Name       string
	Suggestion string // the variable that was probably meant
}

// Error says so, without the value: it may be a secret under a mistyped name.
func (u UnknownVariable) Error() string {
	return fmt.Sprintf("%s: not a variable of Fieldgate, and ignored. Hint: did you mean %s?", u.Name, u.Suggestion)
}

// UnknownVariables returns those of the names that resemble a variable of the server without being one, sorted. What
// only looks similar by chance, as API_URL does, is not among them: see resembles.
func UnknownVariables(names []string) (unknown []UnknownVariable) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	_, kubernetes := slices.BinarySearch(names, envPrefix+"SERVICE_HOST")
	for _, name := range names {
		if kubernetes && name == envPrefix+"PORT" { // which Kubernetes sets for a service named fieldgate
			continue
		}
		if meant := closestVariable(name); meant != "" {
			unknown = append(unknown, UnknownVariable{name, meant})
		}
	}
	return unknown
}

// envPrefix is what other programs would put in front of our variables.
const envPrefix = "FIELDGATE_"

// How many letters a name has, without underscores, at least, so that a word that resembles it is a mistake rather than
// another word: API_URL is not a misspelled APP_URL.
const (
	minForSame     = 6  // if only capitals, underscores or the plural differ
	minForSwap     = 6  // if two neighbors are swapped
	minForOneEdit  = 9  // if a letter is missing, too many or another one
	minForTwoEdits = 10 // if two are
)

// closestVariable returns the variable that a name probably stands for, "" if it is one itself, or resembles none. Capitals,
// underscores, the plural and a prefix FIELDGATE_ make no difference.
func closestVariable(name string) (meant string) {
	word, prefixed := strings.CutPrefix(strings.ToUpper(name), envPrefix)
	word = normalizeName(word)
	nearest := minForTwoEdits
	for _, v := range variables {
		if v.name == name {
			return ""
		}
		if d := nameDistance(word, normalizeName(v.name), prefixed); d < nearest {
			meant, nearest = v.name, d
		}
	}
	return meant
}

// nameDistance is in letters; minForTwoEdits stands for too many.
func nameDistance(word, known string, prefixed bool) int {
	d, letters := spelling.Distance(word, known), len(known)
	switch {
	case d == 0 && (prefixed || letters >= minForSame),
		d == 1 && letters >= minForSwap && hasSameLetters(word, known),
		d == 1 && letters >= minForOneEdit,
		d == 2 && letters >= minForTwoEdits:
		return d
	}
	return minForTwoEdits
}

func hasSameLetters(a, b string) bool {
	return slices.Equal(slices.Sorted(slices.Values([]byte(a))), slices.Sorted(slices.Values([]byte(b))))
}

// normalizeName drops what does not tell one variable from another.
func normalizeName(name string) string {
	name = strings.ReplaceAll(name, "_", "")
	if stem, ok := strings.CutSuffix(name, "IES"); ok {
		return stem + "Y"
	}
	return strings.TrimSuffix(name, "S")
}
