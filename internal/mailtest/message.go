package mailtest

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"slices"
	"strings"
)

// Message is a received message with its parts.
type Message struct {
	From, To   string // of the envelope: the addresses of MAIL and RCPT
	Subject    string // decoded
	Text, HTML string // decoded, with lines that end with \n
	Header     mail.Header
	Raw        []byte // as received, with lines that end with \r\n

	TLS       bool   // the connection was encrypted
	UTF8      bool   // the client asked for SMTPUTF8 (RFC 6531)
	User      string // the authenticated user, or ""
	Mechanism string // the authentication mechanism, as in PLAIN
}

func parse(raw []byte) (Message, error) {
	m := Message{Raw: raw}
	parsed, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return m, err
	}
	m.Header = parsed.Header
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject")); err != nil {
		return m, err
	}
	mediaType, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil {
		return m, err
	}
	if mediaType != "multipart/alternative" {
		return m, fmt.Errorf("got a message of type %s, want multipart/alternative", mediaType)
	}
	return m, m.readParts(multipart.NewReader(parsed.Body, parameters["boundary"]))
}

// readParts reads the text and the HTML in this order: the preferred part is last (RFC 2046 section
// 5.1.4).
func (m *Message) readParts(parts *multipart.Reader) error {
	var types []string
	for _, into := range []*string{&m.Text, &m.HTML} {
		part, err := parts.NextPart() // decodes quoted-printable
		if err != nil {
			return err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		*into = strings.ReplaceAll(string(content), "\r\n", "\n")
		types = append(types, strings.ToLower(part.Header.Get("Content-Type")))
	}
	if want := []string{"text/plain; charset=utf-8", "text/html; charset=utf-8"}; !slices.Equal(types, want) {
		return fmt.Errorf("got parts of type %q, want %q", types, want)
	}
	if _, err := parts.NextPart(); err != io.EOF {
		return fmt.Errorf("after the second part: got %v, want EOF", err)
	}
	return nil
}
