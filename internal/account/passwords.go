package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"

	"fieldgate/internal/limit"
)

// maxPasswordBytes limits the work before hashing. It applies before normalization.
const maxPasswordBytes = 1024

// Kinds of stored hashes. A bcrypt hash follows the mark. A hash without a mark is plain bcrypt,
// imported from another program.
const (
	markPlain    = ""
	markKeyed    = "v1$"  // of the HMAC with the key domainLabel
	markPeppered = "v1p$" // of the HMAC with a pepper as key
)

// storedForm is a mark and a complete bcrypt hash. bcrypt itself would accept longer hashes and
// other versions, and fail early on a damaged one, which a client could measure.
var storedForm = regexp.MustCompile(`^(v1p?\$|)(\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53})$`)

// maxPlainBytes is how many bytes of a password bcrypt reads.
const maxPlainBytes = 72

// domainLabel makes our hashes differ from those that other programs compute for the same password.
const domainLabel = "fieldgate password v1"

// Passwords hashes and verifies passwords.
//
// bcrypt reads 72 bytes and stops at the first NUL, so passwords go through HMAC-SHA-384 first:
// every byte counts, and the 64 characters of base64 fit. The HMAC key is a pepper, which is kept
// outside the database, or else a fixed label. Without a key, hashes stolen elsewhere could be
// tried against ours.
//
// The work runs in a Queue, so that many sign-ins do not block the rest of the server.
type Passwords struct {
	cost    int
	peppers []string
	queue   *Queue
	dummy   string // hash of no password, of the same cost

	compare func(hash, password []byte) error // bcrypt's; replaced by tests that count calls
}

// NewPasswords returns a hasher with a bcrypt cost from bcrypt.MinCost to bcrypt.MaxCost. The first
// pepper hashes, all of them verify; peppers may be empty.
func NewPasswords(cost int, peppers []string, q *Queue) (*Passwords, error) {
	if cost < bcrypt.MinCost || cost > bcrypt.MaxCost {
		// Otherwise GenerateFromPassword would use its default cost.
		return nil, bcrypt.InvalidCostError(cost)
	}
	p := &Passwords{cost: cost, peppers: peppers, queue: q, compare: bcrypt.CompareHashAndPassword}
	// A literal, because computing it would take most of the start-up time. Comparing with it costs
	// as much as with any hash, and Verify returns false in any case.
	p.dummy = p.mark() + fmt.Sprintf("$2a$%02d$%s", cost, strings.Repeat(".", 53))
	return p, nil
}

func (p *Passwords) mark() string {
	if len(p.peppers) > 0 {
		return markPeppered
	}
	return markKeyed
}

// hmacKeys returns the HMAC keys that a hash may have been made with. New hashes use the first.
func (p *Passwords) hmacKeys(mark string) []string {
	if mark == markPeppered {
		return p.peppers
	}
	return []string{domainLabel}
}

// Hash returns the stored form of a password. The error is *OverloadedError or the context's.
func (p *Passwords) Hash(ctx context.Context, password string) (stored string, err error) {
	var hash []byte
	err = p.queue.Do(ctx, func() (err error) {
		hash, err = bcrypt.GenerateFromPassword(bcryptInput(p.mark(), p.hmacKeys(p.mark())[0], password), p.cost)
		return err
	})
	if err != nil {
		return "", err
	}
	limit.MarkCounted(ctx)
	return p.mark() + string(hash), nil
}

// Verify reports whether a stored hash matches the password, and whether it should be replaced by a
// new hash. For an empty or unknown stored form it does the same work and returns false. The error
// is *OverloadedError or the context's.
//
// A hash does not say which pepper made it, so that versions with a single pepper can read it. Each
// call compares once per pepper, whatever the hash and the outcome: the response time does not
// reveal which pepper matched, or whether the account exists.
func (p *Passwords) Verify(ctx context.Context, stored, password string) (ok, outdated bool, err error) {
	mark, hash, known := splitStored(stored)
	keys := p.hmacKeys(mark)
	known = known && len(keys) > 0
	if !known {
		mark, hash, _ = splitStored(p.dummy)
		keys = p.hmacKeys(mark)
	}
	known = known && !strings.ContainsRune(password, 0) // where bcrypt stops reading
	matched := -1
	err = p.queue.Do(ctx, func() error {
		for i := range max(1, len(p.peppers)) {
			key := keys[min(i, len(keys)-1)]
			if p.compare([]byte(hash), bcryptInput(mark, key, password)) == nil && matched < 0 {
				matched = i
			}
			if err := p.equalizeCost(cost(hash)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		limit.MarkCounted(ctx)
	}
	ok = known && matched >= 0
	return ok, ok && (matched > 0 || p.isOutdated(mark, hash, password)), err
}

// equalizeCost does the work that a hash of a lower cost saved. Otherwise the response time would
// tell that the account exists and is old: 2ⁿ + 2ⁿ + 2ⁿ⁺¹ + … + 2ᵐ⁻¹ = 2ᵐ.
func (p *Passwords) equalizeCost(spent int) error {
	for ; spent < p.cost; spent++ {
		if _, err := bcrypt.GenerateFromPassword([]byte(domainLabel), spent); err != nil {
			return err
		}
	}
	return nil
}

// isOutdated reports whether a new hash would be of another kind or cost. A plain hash is kept if
// bcrypt did not read the whole password: the unread part may be mistyped and would count from then
// on.
func (p *Passwords) isOutdated(mark, hash, password string) bool {
	if mark == markPlain {
		return len(password) <= maxPlainBytes
	}
	return mark != p.mark() || cost(hash) != p.cost
}

// cost returns the bcrypt cost of a hash from splitStored, and so cannot fail.
func cost(hash string) int {
	n, _ := bcrypt.Cost([]byte(hash))
	return n
}

// splitStored splits a stored hash into mark and hash. known is false for an unknown form.
func splitStored(stored string) (mark, hash string, known bool) {
	parts := storedForm.FindStringSubmatch(stored)
	if parts == nil {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// bcryptInput returns what bcrypt hashes for a password. A plain hash covers the bytes themselves,
// of which bcrypt read the first 72.
func bcryptInput(mark, key, password string) []byte {
	if mark == markPlain {
		return []byte(password)
	}
	mac := hmac.New(sha512.New384, []byte(key))
	mac.Write([]byte(norm.NFC.String(password)))
	return base64.RawStdEncoding.AppendEncode(nil, mac.Sum(nil))
}

const longPassword = "must have at most 1,024 bytes"

const (
	commonPassword   = "is too common: it is one of the first that an attacker would try"
	knownPassword    = "must not be your name, your e-mail address or the name of this service"
	personalPassword = knownPassword + " with a few characters added"
)

// weakness returns what is wrong with a new password, or "". names are the user's name and address
// and the service's name, which the password must not consist of.
func weakness(password string, minLength int, names ...string) string {
	if message := checkPasswordForm(password, minLength, names...); message != "" {
		return message
	}
	known := personalWords(names...)
	for _, form := range normalizedForms(password) {
		switch classify(form, known) {
		case common:
			return commonPassword
		case personal:
			return personalPassword
		}
	}
	return ""
}

// checkPasswordForm is the cheap part of weakness, without an estimate.
func checkPasswordForm(password string, minLength int, names ...string) string {
	if len(password) > maxPasswordBytes {
		return longPassword
	}
	normal := norm.NFC.String(password)
	switch {
	case utf8.RuneCountInString(normal) < minLength:
		return fmt.Sprintf("must have at least %d characters", minLength)
	case strings.ContainsFunc(normal, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }):
		return "must not contain control characters"
	case slices.Contains(personalWords(names...), searchKey(normal)):
		return knownPassword
	}
	return ""
}

// productName is this service's name.
const productName = "fieldgate"
