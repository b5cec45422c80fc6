package account

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const testCost = bcrypt.MinCost

func newTestQueue(t testing.TB) *Queue {
	t.Helper()
	q := newQueue(2, 100, time.Minute)
	t.Cleanup(q.Close)
	return q
}

func newTestPasswords(t testing.TB, cost int, pepper string) *Passwords {
	t.Helper()
	var peppers []string
	if pepper != "" {
		peppers = strings.Split(pepper, ",")
	}
	p, err := NewPasswords(cost, peppers, newTestQueue(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func hashOf(t testing.TB, p *Passwords, password string) string {
	t.Helper()
	stored, err := p.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// plainHash returns a hash of a bcrypt variant, as another program would store it.
func plainHash(t testing.TB, variant, password string, cost int) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return variant + strings.TrimPrefix(string(hash), "$2a$")
}

func TestVerifyMatchesOnlySamePassword(t *testing.T) {
	t.Parallel()
	p := newTestPasswords(t, testCost, "")
	peppered := newTestPasswords(t, testCost, "a pepper kept elsewhere")
	for _, tt := range []struct {
		name, stored, given string
		same                bool
	}{
		{"the same", "correct horse", "correct horse", true},
		{"another password", "correct horse", "correct house", false},
		{"another case", "correct horse", "Correct horse", false},
		{"one more character", "correct horse", "correct horse!", false},
		{"one less", "correct horse", "correct hors", false},
		{"a space behind", "correct horse", "correct horse ", false},
		{"nothing", "correct horse", "", false},
		{"72 bytes", strings.Repeat("a", 72), strings.Repeat("a", 72), true},
		{"a 73rd byte", strings.Repeat("a", 72), strings.Repeat("a", 73), false},
		{"73 bytes", strings.Repeat("a", 73), strings.Repeat("a", 73), true},
		{"73 bytes, the last differs", strings.Repeat("a", 73), strings.Repeat("a", 72) + "b", false},
		{"1,024 bytes", strings.Repeat("a", 1024), strings.Repeat("a", 1024), true},
		{"1,024 bytes, the last differs", strings.Repeat("a", 1024), strings.Repeat("a", 1023) + "b", false},
		{"64 emoji", strings.Repeat("\U0001f4a9", 64), strings.Repeat("\U0001f4a9", 64), true},
		{"64 emoji, the last differs", strings.Repeat("\U0001f4a9", 64), strings.Repeat("\U0001f4a9", 63) + "\U0001f4aa", false},
		{"accents apart", "jos\u00e9 jos\u00e9", "jose\u0301 jose\u0301", true},
		{"accents together", "jose\u0301 jose\u0301", "jos\u00e9 jos\u00e9", true},
		{"without the accents", "jos\u00e9 jos\u00e9", "jose jose", false},
		{"a fullwidth letter", "passwords", "\uff50asswords", false},
		{"a NUL, where bcrypt alone stops reading", "pw", "pw\x00pw", false},
		{"a NUL behind", "password", "password\x00", false},
		{"other bytes that are no UTF-8", "password\xff", "password\xfe", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, p := range []*Passwords{p, peppered} {
				ok, outdated, err := p.Verify(t.Context(), hashOf(t, p, tt.stored), tt.given)
				if ok != tt.same || outdated || err != nil {
					t.Errorf("%v, outdated %v, %v, want %v", ok, outdated, err, tt.same)
				}
			}
		})
	}
}

func TestVerifyReadsStoredForms(t *testing.T) {
	t.Parallel()
	const password = "correct horse"
	var (
		ours     = newTestPasswords(t, testCost, "")
		dearer   = newTestPasswords(t, testCost+1, "")
		peppered = newTestPasswords(t, testCost, "a pepper kept elsewhere")
		other    = newTestPasswords(t, testCost, "another pepper kept elsewhere")
		hash     = hashOf(t, ours, password)
		bare     = strings.TrimPrefix(hash, "v1$")
		of2a     = plainHash(t, "$2a$", password, testCost)
		long     = plainHash(t, "$2a$", strings.Repeat("a", 72), testCost)
	)
	for _, tt := range []struct {
		name         string
		reader       *Passwords
		stored       string
		given        string
		ok, outdated bool
	}{
		{"ours", ours, hash, password, true, false},
		{"ours, the wrong password", ours, hash, "wrong", false, false},
		{"at a lower cost", dearer, hash, password, true, true},
		{"at a lower cost, the wrong password", dearer, hash, "wrong", false, false},
		{"at a higher cost", ours, hashOf(t, dearer, password), password, true, true},
		{"with a pepper", peppered, hashOf(t, peppered, password), password, true, false},
		{"stored without a pepper", peppered, hash, password, true, true},
		{"stored without a pepper, the wrong password", peppered, hash, "wrong", false, false},
		{"with another pepper", other, hashOf(t, peppered, password), password, false, false},
		{"with a pepper that was removed", ours, hashOf(t, peppered, password), password, false, false},
		{"with a pepper, marked as without", ours, "v1$" + strings.TrimPrefix(hashOf(t, peppered, password), "v1p$"), password, false, false},

		{"imported, $2a$", ours, of2a, password, true, true},
		{"imported, $2b$", ours, plainHash(t, "$2b$", password, testCost), password, true, true},
		{"imported, $2y$", ours, plainHash(t, "$2y$", password, testCost), password, true, true},
		{"imported, $2a$, by another implementation", ours, "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", "abc", true, true},
		{"imported, with a pepper configured", peppered, of2a, password, true, true},
		{"imported at a higher cost", ours, plainHash(t, "$2b$", password, testCost+1), password, true, true},
		{"imported, the wrong password", ours, of2a, "wrong", false, false},
		{"imported, a NUL where bcrypt stops", ours, of2a, password + "\x00" + password, false, false},
		{"imported, exactly what bcrypt reads", ours, long, strings.Repeat("a", 72), true, true},
		{"imported, more than bcrypt reads, which may be mistyped", ours, long, strings.Repeat("a", 80), true, false},
		{"imported, an accent as it was typed", ours, plainHash(t, "$2a$", "jose\u0301 jose\u0301", testCost), "jose\u0301 jose\u0301", true, true},

		{"nothing", ours, "", password, false, false},
		{"nothing, and no password", ours, "", "", false, false},
		{"the dummy matches no password", ours, ours.dummy, "", false, false},
		{"ours without its mark", ours, bare, password, false, false},
		{"a plain one with our mark", ours, "v1$" + of2a, password, false, false},
		{"an unknown mark", ours, "v2$" + bare, password, false, false},
		{"two marks", ours, "v1$v1$" + bare, password, false, false},
		{"a mark alone", ours, "v1$", password, false, false},
		{"$2x$, a faulty variant", ours, "$2x$" + of2a[4:], password, false, false},
		{"$2$", ours, "$2$" + of2a[4:], password, false, false},
		{"$1a$, which bcrypt would accept", ours, "$1a$" + of2a[4:], password, false, false},
		{"cut off", ours, hash[:len(hash)-1], password, false, false},
		{"with something behind it", ours, hash + "x", password, false, false},
		{"with a newline behind it", ours, hash + "\n", password, false, false},
		{"with a space in front", ours, " " + hash, password, false, false},
		{"with a cost below bcrypt's minimum", ours, "$2a$03$" + of2a[7:], password, false, false},
		{"with a cost above bcrypt's maximum", ours, "$2a$32$" + of2a[7:], password, false, false},
		{"with a sign that is not base64", ours, of2a[:20] + "!" + of2a[21:], password, false, false},
		{"MD5", ours, "5f4dcc3b5aa765d61d8327deb882cf99", "password", false, false},
		{"in clear", ours, password, password, false, false},
		{"argon2", ours, "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", password, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ok, outdated, err := tt.reader.Verify(t.Context(), tt.stored, tt.given)
			if ok != tt.ok || outdated != tt.outdated || err != nil {
				t.Errorf("%v, outdated %v, %v, want %v, %v", ok, outdated, err, tt.ok, tt.outdated)
			}
		})
	}
}

func TestHashHasStoredForm(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		cost   int
		pepper string
		begin  string
	}{
		{"without a pepper", 4, "", "v1$$2a$04$"},
		{"with one", 4, "a pepper kept elsewhere", "v1p$$2a$04$"},
		{"at another cost", 5, "", "v1$$2a$05$"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newTestPasswords(t, tt.cost, tt.pepper)
			first, second := hashOf(t, p, "correct horse"), hashOf(t, p, "correct horse")
			if !strings.HasPrefix(first, tt.begin) {
				t.Errorf("%s does not begin with %s", first, tt.begin)
			}
			if first == second {
				t.Error("two hashes share a salt")
			}
			// A sign-in without an account costs as much as one with an account.
			if !strings.HasPrefix(p.dummy, tt.begin) {
				t.Errorf("the dummy %s does not begin with %s", p.dummy, tt.begin)
			}
		})
	}
}

func TestNewPasswordsRejectsInvalidCost(t *testing.T) {
	t.Parallel()
	for _, cost := range []int{-1, 0, bcrypt.MinCost - 1, bcrypt.MaxCost + 1} {
		if _, err := NewPasswords(cost, nil, newTestQueue(t)); err == nil {
			t.Errorf("cost %d is accepted", cost)
		}
	}
}

func TestPasswordsReturnOverloadedErrorWhenQueueIsFull(t *testing.T) {
	t.Parallel()
	p, err := NewPasswords(testCost, nil, newQueue(0, 0, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var full *OverloadedError
	if stored, err := p.Hash(t.Context(), "correct horse"); stored != "" || !errors.As(err, &full) {
		t.Errorf("hash %q, %v", stored, err)
	}
	if ok, outdated, err := p.Verify(t.Context(), p.dummy, "correct horse"); ok || outdated || !errors.As(err, &full) {
		t.Errorf("verify %v, %v, %v", ok, outdated, err)
	}
}

// For the race detector: a cancelled caller must not read what a thread still writes.
func TestPasswordsSurviveCancelledCallers(t *testing.T) {
	t.Parallel()
	p := newTestPasswords(t, testCost, "")
	stored := hashOf(t, p, "correct horse")
	var wg sync.WaitGroup
	for range 40 {
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if stored, err := p.Hash(ctx, "correct horse"); (stored == "") != (err != nil) {
				t.Errorf("hash %q, %v", stored, err)
			}
		})
		wg.Go(func() {
			if ok, _, err := p.Verify(ctx, stored, "correct horse"); ok == (err != nil) {
				t.Errorf("verify %v, %v", ok, err)
			}
		})
		wg.Go(cancel)
	}
	wg.Wait()
}

// Rejecting a password takes the same work whatever is stored.
func BenchmarkVerifyMismatch(b *testing.B) {
	const cost = 10
	p := newTestPasswords(b, cost, "")
	for _, tt := range []struct{ name, stored string }{
		{"current", hashOf(b, p, "correct horse")},
		{"no account", ""},
		{"damaged", "v1$x"},
		{"at a lower cost", hashOf(b, newTestPasswords(b, cost-3, ""), "correct horse")},
		{"plain", plainHash(b, "$2b$", "correct horse", cost)},
	} {
		b.Run(tt.name, func(b *testing.B) {
			for b.Loop() {
				if ok, _, err := p.Verify(b.Context(), tt.stored, "wrong"); ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

// storedWith and readWith are values of PASSWORD_PEPPER before and after a rotation.
func TestPeppersRotate(t *testing.T) {
	t.Parallel()
	const password, one, two, three = "correct horse", "the first pepper of all", "the second pepper of all", "the third pepper of all"
	of := func(peppers string) *Passwords { return newTestPasswords(t, testCost, peppers) }
	for _, tt := range []struct {
		name, storedWith, readWith string
		ok, outdated               bool
	}{
		{"alone", one, one, true, false},
		{"behind a new one", one, two + "," + one, true, true},
		{"in front of a new one that only verifies", one, one + "," + two, true, false},
		{"the last of three", one, three + "," + two + "," + one, true, true},
		{"stored by two, read by the first alone", two + "," + one, two, true, false},
		{"stored by two, read by the second alone", two + "," + one, one, false, false},
		{"stored by two, read in reverse order", two + "," + one, one + "," + two, true, true},
		{"removed", one, three + "," + two, false, false},
		{"stored without one", "", two + "," + one, true, true},
		{"stored with one, read without", one, "", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stored := hashOf(t, of(tt.storedWith), password)
			reader := of(tt.readWith)
			if ok, outdated, err := reader.Verify(t.Context(), stored, password); ok != tt.ok || outdated != tt.outdated || err != nil {
				t.Errorf("%v, outdated %v, %v, want %v, %v", ok, outdated, err, tt.ok, tt.outdated)
			}
			if ok, _, err := reader.Verify(t.Context(), stored, "wrong"); ok || err != nil {
				t.Errorf("another password: %v, %v", ok, err)
			}
			if tt.storedWith != "" && !strings.HasPrefix(stored, "v1p$$2a$") {
				t.Errorf("%s cannot be read by versions with a single pepper", stored)
			}
		})
	}
}

// An unknown account, a wrong password, an old pepper and a new one take the same number of hashes.
func TestVerifyDoesEqualWorkForEveryPepper(t *testing.T) {
	t.Parallel()
	const password, old, current = "correct horse", "the first pepper of all", "the second pepper of all"
	for _, peppers := range []string{"", current, current + "," + old, current + "," + old + ",the third pepper of all"} {
		p := newTestPasswords(t, testCost, peppers)
		var n int
		p.compare = func(hash, password []byte) error {
			n++
			return bcrypt.CompareHashAndPassword(hash, password)
		}
		want := max(1, len(p.peppers))
		for name, stored := range map[string]string{
			"no account": "", "an unknown form": "argon2", "without a pepper": hashOf(t, newTestPasswords(t, testCost, ""), password),
			"with the old pepper": hashOf(t, newTestPasswords(t, testCost, old), password), "with the current one": hashOf(t, newTestPasswords(t, testCost, current), password),
			"from elsewhere": plainHash(t, "$2a$", password, testCost),
		} {
			for _, given := range []string{password, "wrong", "a NUL\x00"} {
				n = 0
				if _, _, err := p.Verify(t.Context(), stored, given); err != nil || n != want {
					t.Errorf("%d peppers, a hash %s, %q: %d comparisons, want %d (%v)", len(p.peppers), name, given, n, want, err)
				}
			}
		}
	}
}
