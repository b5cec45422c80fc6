package fgerr

import (
	"encoding/json"
	"testing"
)

func TestInvalidInputNamesEveryField(t *testing.T) {
	t.Parallel()
	fields := []FieldError{{"text", "must not be empty"}, {"color", "must be a color"}}
	err := InvalidInput(fields...)
	fields[0].Message = "changed"
	got, _ := json.Marshal(err.(*Error).Extensions())
	const want = `{"code":"BAD_USER_INPUT","fields":[{"name":"text","message":"must not be empty"},{"name":"color","message":"must be a color"}]}`
	if string(got) != want || err.Error() != "text must not be empty; color must be a color" {
		t.Errorf("%q %s\nwant %s", err, got, want)
	}
	if Code(err) != BadUserInput {
		t.Errorf("code %s", Code(err))
	}
}
