package config

import (
	"fmt"
	"slices"
	"strings"

	"fieldgate/internal/spelling"
)

// UnknownVariable is a variable that is set, that the server does not read, and whose name resembles one that it reads.
type UnknownVariable struct {
	Name  string
	Meant string // the variable that was probably meant
}

// Error says so, without the value: it may be a secret under a mistyped name.
func (u UnknownVariable) Error() string {
	return fmt.Sprintf("%s: not a variable of Fieldgate, and ignored. Hint: did you mean %s?", u.Name, u.Meant)
}

// UnknownVariables returns those of the names that resemble a variable of the server without being one, sorted. What
// only looks similar by chance, as API_URL does, is not among them: see resembles.
func UnknownVariables(names []string) (unknown []UnknownVariable) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	_, kubernetes := slices.BinarySearch(names, prefix+"SERVICE_HOST")
	for _, name := range names {
		if kubernetes && name == prefix+"PORT" { // which Kubernetes sets for a service named fieldgate
			continue
		}
		if meant := resembles(name); meant != "" {
			unknown = append(unknown, UnknownVariable{name, meant})
		}
	}
	return unknown
}

// prefix is what other programs would put in front of our variables.
const prefix = "FIELDGATE_"

// How many letters a name has, without underscores, at least, so that a word that resembles it is a mistake rather than
// another word: API_URL is not a misspelled APP_URL.
const (
	forTheSame       = 6  // if only capitals, underscores or the plural differ
	forSwapped       = 6  // if two neighbors are swapped
	forOneDifference = 9  // if a letter is missing, too many or another one
	forTwo           = 10 // if two are
)

// resembles returns the variable that a name probably stands for, "" if it is one itself, or resembles none. Capitals,
// underscores, the plural and a prefix FIELDGATE_ make no difference.
func resembles(name string) (meant string) {
	word, prefixed := strings.CutPrefix(strings.ToUpper(name), prefix)
	word = plainName(word)
	nearest := forTwo
	for _, v := range variables {
		if v.name == name {
			return ""
		}
		if d := difference(word, plainName(v.name), prefixed); d < nearest {
			meant, nearest = v.name, d
		}
	}
	return meant
}

// difference is in letters; forTwo stands for too many.
func difference(word, known string, prefixed bool) int {
	d, letters := spelling.Distance(word, known), len(known)
	switch {
	case d == 0 && (prefixed || letters >= forTheSame),
		d == 1 && letters >= forSwapped && sameLetters(word, known),
		d == 1 && letters >= forOneDifference,
		d == 2 && letters >= forTwo:
		return d
	}
	return forTwo
}

func sameLetters(a, b string) bool {
	return slices.Equal(slices.Sorted(slices.Values([]byte(a))), slices.Sorted(slices.Values([]byte(b))))
}

// plainName drops what does not tell one variable from another.
func plainName(name string) string {
	name = strings.ReplaceAll(name, "_", "")
	if stem, ok := strings.CutSuffix(name, "IES"); ok {
		return stem + "Y"
	}
	return strings.TrimSuffix(name, "S")
}
