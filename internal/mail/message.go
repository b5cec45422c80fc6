package mail

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxSubjectBytes keeps the header line below the 998 octets of RFC 5322 section 2.1.1, even if
// each octet has to be encoded.
const maxSubjectBytes = 250

// checkMessage returns the address of m in the form that SMTP uses, or a permanent *RefusedError.
// It rejects text that could start a header or an SMTP command.
func checkMessage(m *Message) (to string, err error) {
	switch {
	case m.ID == "" || strings.ContainsFunc(m.ID, isInvalidInID):
		return "", permanentError("the ID is not valid in a Message-ID")
	case !isPlainLine(m.Subject) || len(m.Subject) > maxSubjectBytes:
		return "", permanentError("the subject is empty, too long or contains a control character")
	case strings.TrimSpace(m.Text) == "" || strings.TrimSpace(m.HTML) == "":
		return "", permanentError("the text or the HTML is empty")
	case strings.ContainsRune(m.Text, 0) || strings.ContainsRune(m.HTML, 0):
		return "", permanentError("the text or the HTML contains a NUL")
	}
	if to, ok := normalizeAddress(m.To); ok {
		return to, nil
	}
	return "", permanentError("the recipient is not an e-mail address")
}

func permanentError(reason string) error { return &RefusedError{Permanent: true, Reason: reason} }

// isInvalidInID reports whether a Message-ID may not contain r without quoting (RFC 5322 section
// 3.6.4).
func isInvalidInID(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._", r)
}

// isPlainLine reports whether s can be one line of a message: not blank, valid UTF-8, and without
// CR, LF, NUL or other control characters.
func isPlainLine(s string) bool {
	return strings.TrimSpace(s) != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// normalizeAddress writes the domain of an address with A-labels (RFC 5890 section 2.3.2.1), which
// every server understands. Only a local part beyond ASCII still requires SMTPUTF8. It reports
// false if address is not exactly an address.
func normalizeAddress(address string) (_ string, ok bool) {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || !isPlainLine(address) {
		return "", false
	}
	at := strings.LastIndexByte(address, '@')
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil || domain == "" {
		return "", false
	}
	return address[:at+1] + domain, true
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}
