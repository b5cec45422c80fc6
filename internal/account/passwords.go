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

// maxPasswordBytes bounds the work before hashing, as it came, before normalization.
const maxPasswordBytes = 1024

// The kinds of hashes in a row. What follows the mark is a bcrypt hash. One without a mark is plain bcrypt,
// brought along from elsewhere.
const (
	markPlain    = ""
	markKeyed    = "v1$"  // over the HMAC whose key is domainLabel
	markPeppered = "v1p$" // over the HMAC whose key is a pepper
)

// storedForm is a mark and a hash that bcrypt can read to its end. bcrypt itself would take longer hashes and
// other versions, and give up at once on a damaged one, which a client could measure.
var storedForm = regexp.MustCompile(`^(v1p?\$|)(\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53})$`)

// maxPlainBytes is how much of a password bcrypt reads.
const maxPlainBytes = 72

// domainLabel keeps a hash of ours from being one that another program makes of the same password.
const domainLabel = "fieldgate password v1"

// Passwords hashes passwords and compares them.
//
// bcrypt reads 72 bytes and stops at the first NUL, so the password goes through HMAC-SHA-384 first: every
// byte counts, and the 64 characters of base64 fit. The key of the HMAC is a pepper, which is kept outside
// the database, or else a fixed label: without a key, hashes stolen elsewhere could be tried against ours.
//
// The work is done in a Queue, so that however many sign in, the rest of the server goes on.
type Passwords struct {
	cost    int
	peppers []string
	queue   *Queue
	dummy   string // a hash of no password, of the same cost

	compare func(hash, password []byte) error // bcrypt's, but in tests that count
}

// NewPasswords returns a hasher of the given bcrypt cost, from bcrypt.MinCost to bcrypt.MaxCost. The first of peppers
// hashes, and all of them verify; there may be none.
func NewPasswords(cost int, peppers []string, q *Queue) (*Passwords, error) {
	if cost < bcrypt.MinCost || cost > bcrypt.MaxCost {
		return nil, bcrypt.InvalidCostError(cost) // below, GenerateFromPassword would take its default instead
	}
	p := &Passwords{cost: cost, peppers: peppers, queue: q, compare: bcrypt.CompareHashAndPassword}
	// Written and not computed, which would be the longest part of every start. Comparing costs what it always
	// costs, and Verify says no whatever comes of it.
	p.dummy = p.mark() + fmt.Sprintf("$2a$%02d$%s", cost, strings.Repeat(".", 53))
	return p, nil
}

func (p *Passwords) mark() string {
	if len(p.peppers) > 0 {
		return markPeppered
	}
	return markKeyed
}

// hmacKeys are those of the HMAC that a hash may have been made with: the first is the one of new hashes.
func (p *Passwords) hmacKeys(mark string) []string {
	if mark == markPeppered {
		return p.peppers
	}
	return []string{domainLabel}
}

// Hash returns what to store of a password. The error is *Overloaded or the context's.
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

// Verify reports whether a stored hash is the password's, and whether a better hash should take its place.
// With an empty stored hash, or one of an unknown form, it does the same work and returns false. The error is
// *Overloaded or the context's.
//
// A hash does not say which pepper it was made with, so that programs from before there could be several read it.
// Each call compares as often as there are peppers, whatever the hash and the outcome: the time of an answer does
// not tell which pepper was right, nor whether there is an account.
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

// equalizeCost does what a hash of a lower cost has spared, or else the time of an answer would tell that there is
// an account, and that it is an old one: 2ⁿ + 2ⁿ + 2ⁿ⁺¹ + … + 2ᵐ⁻¹ = 2ᵐ.
func (p *Passwords) equalizeCost(spent int) error {
	for ; spent < p.cost; spent++ {
		if _, err := bcrypt.GenerateFromPassword([]byte(domainLabel), spent); err != nil {
			return err
		}
	}
	return nil
}

// isOutdated: a hash of another kind or cost than a new one would be. A plain one stays as it is if bcrypt has not
// read all of the password, because what it did not read may be mistyped, and would count from then on.
func (p *Passwords) isOutdated(mark, hash, password string) bool {
	if mark == markPlain {
		return len(password) <= maxPlainBytes
	}
	return mark != p.mark() || cost(hash) != p.cost
}

// cost is the one of a hash that split has taken apart, and so never fails.
func cost(hash string) int {
	n, _ := bcrypt.Cost([]byte(hash))
	return n
}

// splitStored takes a stored hash apart; known is false for one that is not ours to read.
func splitStored(stored string) (mark, hash string, known bool) {
	parts := storedForm.FindStringSubmatch(stored)
	if parts == nil {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// bcryptInput is what bcrypt gets to read of a password. A plain hash was made of the bytes themselves, of which bcrypt read
// the first 72.
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

// weakness returns what is wrong with a new password, or "". names are what it must not be made of: the person's
// name and address, and the service's name.
func weakness(password string, minLength int, names ...string) string {
	if wrong := checkPasswordForm(password, minLength, names...); wrong != "" {
		return wrong
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

// checkPasswordForm is the part of weakness that is cheap: it estimates nothing.
func checkPasswordForm(password string, minLength int, names ...string) string {
	if len(password) > maxPasswordBytes {
		return longPassword
	}
	normal := norm.NFC.String(password)
	switch {
	case utf8.RuneCountInString(normal) < minLength:
		return fmt.Sprintf("must have at least %d characters", minLength)
	case strings.ContainsFunc(normal, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }):
		return "must not have control characters in it"
	case slices.Contains(personalWords(names...), searchKey(normal)):
		return knownPassword
	}
	return ""
}

// productName is this service's name.
const productName = "fieldgate"
