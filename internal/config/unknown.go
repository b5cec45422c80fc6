package config

import (
	"fmt"
	"slices"
	"strings"

	"fieldgate/internal/spelling"
)

// UnknownVariable is a variable that is set but not read, with a name similar to one that the
// server reads.
type UnknownVariable struct {
	Name       string
	Suggestion string // the variable that was probably meant
}

// Error returns the message without the value, which may be a secret under a misspelled name.
func (u UnknownVariable) Error() string {
	return fmt.Sprintf("%s: not a Fieldgate variable, so it is ignored. Hint: did you mean %s?", u.Name, u.Suggestion)
}

// UnknownVariables returns those of names that resemble a variable of the server, sorted. Names
// with only a chance similarity, such as API_URL, are not among them: see closestVariable.
func UnknownVariables(names []string) (unknown []UnknownVariable) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	_, kubernetes := slices.BinarySearch(names, envPrefix+"SERVICE_HOST")
	for _, name := range names {
		if kubernetes && name == envPrefix+"PORT" { // Kubernetes sets it for a Service fieldgate
			continue
		}
		if meant := closestVariable(name); meant != "" {
			unknown = append(unknown, UnknownVariable{name, meant})
		}
	}
	return unknown
}

// envPrefix is the prefix that other programs would use for these variables.
const envPrefix = "FIELDGATE_"

// Minimum number of letters of a variable, without underscores, for a similar name to count as a
// misspelling. In shorter names, similarity is chance: API_URL is not a misspelled APP_URL.
const (
	minForSame     = 6  // only capitals, underscores or the plural differ
	minForSwap     = 6  // two neighboring letters are swapped
	minForOneEdit  = 9  // one letter is missing, extra or different
	minForTwoEdits = 10 // two letters are missing, extra or different
)

// closestVariable returns the variable that name probably stands for. It returns "" if name is a
// variable itself or resembles none. Capitals, underscores, the plural and the prefix FIELDGATE_
// make no difference.
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

// nameDistance returns the edit distance in letters, or minForTwoEdits if the names are not
// similar.
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

// normalizeName removes what does not distinguish variables: underscores and the plural.
func normalizeName(name string) string {
	name = strings.ReplaceAll(name, "_", "")
	if stem, ok := strings.CutSuffix(name, "IES"); ok {
		return stem + "Y"
	}
	return strings.TrimSuffix(name, "S")
}
