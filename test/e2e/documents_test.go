package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
)

// document is the body of a request with this query.
func document(query string) string {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		panic(err)
	}
	return string(body)
}

// numbered repeats text with # replaced by 0, 1, 2, …
func numbered(n int, text string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(text, "#", fmt.Sprint(i)))
	}
	return b.String()
}
