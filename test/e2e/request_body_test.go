package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
)

// requestBody returns the JSON body of a request with this query.
func requestBody(query string) string {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		panic(err)
	}
	return string(body)
}

// repeatNumbered repeats text n times, with # replaced by 0, 1, 2, …
func repeatNumbered(n int, text string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(text, "#", fmt.Sprint(i)))
	}
	return b.String()
}
