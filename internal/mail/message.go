package mail

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxSubjectBytes keeps the header's line below the 998 octets of RFC 5322
// section 2.1.1, also when each of them has to be encoded.
const maxSubjectBytes = 250

// checkMessage returns the address that m goes to, as an SMTP server is told
// it, or a *Refused: such a message cannot be sent, today or later. What would
// start a header of its own, or a command, ends here.
func checkMessage(m *Message) (to string, err error) {
	switch {
	case m.ID == "" || strings.ContainsFunc(m.ID, isInvalidInID):
		return "", permanentError("its ID cannot be a Message-ID")
	case !isPlainLine(m.Subject) || len(m.Subject) > maxSubjectBytes:
		return "", permanentError("its subject is empty, too long or has a control character")
	case strings.TrimSpace(m.Text) == "" || strings.TrimSpace(m.HTML) == "":
		return "", permanentError("it says nothing")
	case strings.ContainsRune(m.Text, 0) || strings.ContainsRune(m.HTML, 0):
		return "", permanentError("it has a NUL in it")
	}
	if to, ok := normalizeAddress(m.To); ok {
		return to, nil
	}
	return "", permanentError("its recipient is not an address")
}

func permanentError(reason string) error { return &RefusedError{Permanent: true, Reason: reason} }

// isInvalidInID leaves what needs no quoting in a Message-ID (RFC 5322 section 3.6.4).
func isInvalidInID(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._", r)
}

// isPlainLine reports whether s can stand in one line of a message: it says something,
// in UTF-8, and has no CR, LF, NUL or other control character.
func isPlainLine(s string) bool {
	return strings.TrimSpace(s) != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// normalizeAddress writes the domain of an address with A-labels (RFC 5890 section
// 2.3.2.1), which every server understands: only a local part beyond ASCII is
// left for SMTPUTF8. It is not ok if address is more, or less, than an address.
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
