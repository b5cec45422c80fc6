package guard

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/99designs/gqlgen/graphql"
)

// BenchmarkDecode compares the strict decoder with gqlgen's own for the same body.
func BenchmarkDecode(b *testing.B) {
	body := []byte(`{"operationName":"Login","query":"mutation Login($input: LoginInput!) {\n  login(input: $input) {\n    accessToken\n    tokenType\n    expiresAt\n    user { id name email }\n  }\n}",` +
		`"variables":{"input":{"email":"ada@example.org","password":"correct horse battery staple","rememberMe":true,"delivery":"BODY"}}}`)
	b.Run("guard", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, refused := decodeParams(body); refused != nil {
				b.Fatal(refused.err)
			}
		}
	})
	b.Run("gqlgen", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d := json.NewDecoder(bytes.NewReader(body))
			d.UseNumber()
			if err := d.Decode(new(graphql.RawParams)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
