package account

import (
	"net/mail"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// RFC 5321 section 4.5.3.1, in octets: the local part, and the path less its angle brackets.
const (
	maxLocalBytes = 64
	maxEmailBytes = 254
)

const maxLabelBytes = 63 // RFC 1035 section 2.3.4

const badEmail = "must be an e-mail address, like ada@example.com"

// EmailKey returns what all spellings of one address have in common: capitals, Unicode forms and the ways
// of writing an international domain make no difference. Two addresses are the same if their keys are the
// same bytes. The message is not empty if it is not an address that mail can be sent to: no display name,
// no comment, no quotes, no address literal, a domain with a dot in it.
//
// Dots and +tags in the local part count, because what they mean is up to the mailbox's own server.
func EmailKey(email string) (key, message string) {
	if len(email) > maxEmailBytes {
		return "", "must have at most 254 bytes"
	}
	at := strings.LastIndexByte(email, '@')
	// Both as it is written, which is where mail goes, and as it is compared: Unicode's form NFC makes a semicolon
	// of U+037E, and hides a bracket that has a stroke through it.
	if at < 1 || !isAddress(email) || !isAddress(norm.NFC.String(email)) {
		return "", badEmail
	}
	local := searchKey(email[:at])
	domain, err := idna.Lookup.ToASCII(email[at+1:]) // in small letters, of the NFC form
	if err != nil || !isMailDomain(domain) || len(local) > maxLocalBytes || len(local)+1+len(domain) > maxEmailBytes {
		return "", badEmail
	}
	return local + "@" + domain, ""
}

// isAddress reports whether s is an address and nothing more. net/mail knows the grammar of RFC 5322, and takes
// more than an address: what it read must be what was written.
func isAddress(s string) bool {
	if strings.ContainsFunc(s, isForbiddenInAddress) || strings.Contains(s, encodedWord) {
		return false
	}
	parsed, err := mail.ParseAddress(s)
	return err == nil && parsed.Address == s && parsed.Name == ""
}

// encodedWord begins one (RFC 2047 section 2). Some mail servers decode it even in an address, and then send to
// another one than was written.
const encodedWord = "=?"

// isForbiddenInAddress refuses what has no place in an unquoted address and much use in an attack: quotes, brackets,
// white space, control and invisible characters, and code points that Unicode has not assigned yet, because
// what will be their small or composed form is not known. What is no UTF-8 reads as the replacement character.
func isForbiddenInAddress(r rune) bool {
	return strings.ContainsRune(`"(),:;<>[\]`, r) ||
		!unicode.IsGraphic(r) || unicode.IsSpace(r) || isInvisible(r) || r == unicode.ReplacementChar
}

// isMailDomain: a name with at least two labels, the last one not a number (RFC 3696 section 2). idna has
// checked what the labels are made of, and lets empty and long ones pass.
func isMailDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	if slices.ContainsFunc(labels, func(l string) bool { return l == "" || len(l) > maxLabelBytes }) {
		return false
	}
	return len(labels) > 1 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}
