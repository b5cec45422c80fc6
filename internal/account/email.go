package account

import (
	"net/mail"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Limits in octets by RFC 5321 section 4.5.3.1: the local part, and the path without its angle
// brackets.
const (
	maxLocalBytes = 64
	maxEmailBytes = 254
)

const maxLabelBytes = 63 // RFC 1035 section 2.3.4

const badEmail = "must be an e-mail address, like ada@example.com"

// EmailKey returns the normalized form of an address: capitals, Unicode forms and spellings of an
// international domain make no difference. Two addresses are the same if their keys have the same
// bytes. message is set if the address cannot receive mail: display names, comments, quotes,
// address literals and domains without a dot are rejected.
//
// Dots and +tags in the local part are significant, because their meaning is up to the receiving
// server.
func EmailKey(email string) (key, message string) {
	if len(email) > maxEmailBytes {
		return "", "must have at most 254 bytes"
	}
	at := strings.LastIndexByte(email, '@')
	// Check the address as written, which receives the mail, and as compared: NFC turns U+037E into
	// a semicolon, and hides a bracket with a stroke through it.
	if at < 1 || !isAddress(email) || !isAddress(norm.NFC.String(email)) {
		return "", badEmail
	}
	local := searchKey(email[:at])
	domain, err := idna.Lookup.ToASCII(email[at+1:]) // lower case, of the NFC form
	if err != nil || !isMailDomain(domain) || len(local) > maxLocalBytes || len(local)+1+len(domain) > maxEmailBytes {
		return "", badEmail
	}
	return local + "@" + domain, ""
}

// isAddress reports whether s is an address and nothing else. net/mail implements RFC 5322 and
// accepts more than an address, so its result must equal the input.
func isAddress(s string) bool {
	if strings.ContainsFunc(s, isForbiddenInAddress) || strings.Contains(s, encodedWord) {
		return false
	}
	parsed, err := mail.ParseAddress(s)
	return err == nil && parsed.Address == s && parsed.Name == ""
}

// encodedWord is the start of an encoded word (RFC 2047 section 2). Some mail servers decode it
// even in an address, and then send to a different one.
const encodedWord = "=?"

// isForbiddenInAddress reports whether r must not occur in an unquoted address and is useful in
// attacks: quotes, brackets, white space, control and invisible characters. It also rejects code
// points that Unicode has not assigned yet, whose lower-case and composed forms are unknown.
// Invalid UTF-8 reads as the replacement character.
func isForbiddenInAddress(r rune) bool {
	return strings.ContainsRune(`"(),:;<>[\]`, r) ||
		!unicode.IsGraphic(r) || unicode.IsSpace(r) || isInvisible(r) || r == unicode.ReplacementChar
}

// isMailDomain reports whether domain has at least two labels and the last is not a number (RFC
// 3696 section 2). idna has checked the characters of the labels; it accepts empty and long ones.
func isMailDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	if slices.ContainsFunc(labels, func(l string) bool { return l == "" || len(l) > maxLabelBytes }) {
		return false
	}
	return len(labels) > 1 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}
