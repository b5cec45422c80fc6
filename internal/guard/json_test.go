package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// FuzzDecodeJSON compares the decoder with encoding/json. Accepted input is valid there and has the
// same value. Rejected input is invalid there or breaks one of the four additional rules. Errors
// never contain the input.
func FuzzDecodeJSON(f *testing.F) {
	for _, text := range []string{
		``, ` `, `null`, `true`, `false`, `nul`, `nulll`, `"hunter2"`, `[]`, `{}`, `[1,2,]`, `[,1]`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a" 1}`, `[1 2]`,
		`{"query":"mutation($p: String!) { login(password: $p) }","operationName":null,"variables":{"p":"hunter2"}}`,
		`{"password":"hunter2"`, `{"password":"hunter2`, `{"password":hunter2}`, `["hunter2" "hunter2"]`, `{"hunter2":1,"hunter2":2}`, `{"hunter2":{"a":1,"\u0061":2}}`,
		`0`, `-0`, `-`, `00`, `01`, `1.`, `.1`, `1.5`, `1e`, `1e+`, `1E-9`, `1e9999`, `123456789012345678901234567890`, `+1`, `0x10`, `1_0`, `Infinity`, `NaN`,
		`"\"\\\/\b\f\n\r\t"`, `"\x"`, `"\u"`, `"\u12"`, `"\u12g4"`, `"\u00e4"`, `"\uD83C\uDFC3"`, `"\uD83C"`, `"\uDFC3\uD83C"`, `"\uD83Chunter2"`, `"\uD83C\n"`, `"\uFFFD"`, `"\u0000"`,
		"\"\t\"", "\"\x7f\"", "\"\xff\"", "\"\xed\xa0\xbc\"", "\ufeff{}", "{}\x00", "{}{}", "\v{}", "\u00a0{}", " \t\r\n{ \"a\" : [ 1 , 2 ] } ",
		strings.Repeat("[", 33) + strings.Repeat("]", 33), strings.Repeat("[", 32) + strings.Repeat("]", 32), strings.Repeat(`{"a":`, 40), "[[[[[[",
	} {
		f.Add([]byte(text))
	}
	added := []string{"the text is not UTF-8", "a duplicate key in an object", "an unpaired surrogate", "nested deeper than 32 levels"}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeJSON(body, maxDepth)
		want, wantErr := decodeReference(body)
		if err == nil {
			if wantErr != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("got %#v; encoding/json returns %#v, %v", got, want, wantErr)
			}
			return
		}
		detail, ok := errors.AsType[*jsonError](err)
		if !ok {
			t.Fatalf("got a %T, want a *jsonError", err)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Fatalf("the error repeats the input: %v", err)
		}
		if detail.offset < 0 || detail.offset > len(body) {
			t.Fatalf("got offset %d for %d bytes", detail.offset, len(body))
		}
		if wantErr != nil {
			return
		}
		if !slices.Contains(added, detail.problem) {
			t.Fatalf("rejected valid input: %v", err)
		}
		// Encoded again, the value breaks none of these rules except the depth.
		clean, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err = decodeJSON(clean, maxDepth)
		switch detail, _ := errors.AsType[*jsonError](err); {
		case err == nil && reflect.DeepEqual(got, want):
		case err != nil && detail.problem == "nested deeper than 32 levels" && nestingDepth(want) > 32:
		default:
			t.Fatalf("got %#v, %v; encoding/json returns %#v", got, err, want)
		}
	})
}

// decodeReference decodes exactly one value with encoding/json.
func decodeReference(body []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("trailing data")
	}
	return v, nil
}

func nestingDepth(v any) (levels int) {
	switch v := v.(type) {
	case map[string]any:
		for _, v := range v {
			levels = max(levels, nestingDepth(v))
		}
	case []any:
		for _, v := range v {
			levels = max(levels, nestingDepth(v))
		}
	default:
		return 0
	}
	return levels + 1
}

// The query outlives its request as a cache key. The body, which may hold a password, must not.
func TestParamsShareNoMemoryWithBody(t *testing.T) {
	body := []byte(`{"query":"{ hello }","operationName":"caf\u00e9","variables":{"n":12,"s":"text"}}`)
	params, refused := decodeParams(body)
	if refused != nil {
		t.Fatal(refused.err)
	}
	for i := range body {
		body[i] = 'x'
	}
	if params.Query != "{ hello }" || params.OperationName != "café" ||
		!reflect.DeepEqual(params.Variables, map[string]any{"n": json.Number("12"), "s": "text"}) {
		t.Errorf("params changed with the body: got %+v", params)
	}
}
