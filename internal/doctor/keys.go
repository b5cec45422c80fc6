package doctor

import (
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"time"

	"fieldgate/internal/config"
)

// maxKeys are more than any rotation takes: two, and one that was forgotten.
const maxKeys = 3

// secrets looks at the keys of access tokens.
func secrets(r *report, f Snapshot) {
	const id = "keys"
	c := f.Config
	n := len(c.JWTSecrets) + len(c.JWTPrivateKeyFiles)
	switch {
	case n == 0:
		r.add(id, Note, "JWT_SECRET is not set: the server makes a key and keeps it beside the SQLite file", "fieldgate keys secret makes one for production")
	case n > maxKeys:
		r.add(id, Warning, fmt.Sprintf("%d keys verify tokens: each is one more that can be stolen", n), finishRotation(c))
	case n > 1:
		r.add(id, Note, fmt.Sprintf("%d keys verify tokens, and the first signs: a rotation is under way", n), finishRotation(c))
	default:
		r.ok(id, "one key signs and verifies tokens: %s", signingKey(c))
	}
	for i, secret := range c.JWTSecrets {
		if why := config.Weakness(secret); why != "" { // production has refused it already
			r.add("keys.weak", Warning, fmt.Sprintf("secret %d of JWT_SECRET %s", i+1, why), "fieldgate keys secret makes a random one, which production insists on")
		}
	}
}

func finishRotation(c *config.Config) string {
	return fmt.Sprintf("take the old ones away when the new one has signed for %s, which is ACCESS_TOKEN_TTL", shortDuration(c.AccessTokenTTL))
}

func signingKey(c *config.Config) string {
	if len(c.JWTPrivateKeyFiles) > 0 {
		return "the private key in " + c.JWTPrivateKeyFiles[0]
	}
	return "JWT_SECRET"
}

func keyFiles(r *report, f Snapshot) {
	const id = "keys.files"
	for _, file := range f.KeyFiles {
		switch {
		case file.Err != nil:
			r.add(id, Problem, "JWT_PRIVATE_KEY_FILES: "+file.Err.Error(), "fieldgate keys ed25519 makes a key; the user that the server runs as must be able to read it")
		case isWorldAccessible(file.Mode):
			r.add(id, productionLevel(f, Problem), fmt.Sprintf("%s has the mode %04o: every user of the machine can read the private key", file.Name, file.Mode.Perm()),
				"chmod 600 "+file.Name)
		default:
			r.ok(id, "%s can be read by its owner", file.Name)
		}
	}
}

// isWorldAccessible reports whether a file can be read or written by everybody. Windows has other rights, which the mode does not show.
func isWorldAccessible(mode fs.FileMode) bool {
	return runtime.GOOS != "windows" && mode.Perm()&0o006 != 0
}

func developmentKey(r *report, f Snapshot) {
	const id = "keys.development"
	switch {
	case !f.Config.Production || f.DevelopmentKey == KeyAbsent:
	case f.DevelopmentKey == KeySigning:
		r.add(id, Warning, "JWT_SECRET is the key that a development server has made beside the database: whoever copies the folder can sign tokens",
			"rotate it (docs/operations.md), and delete the file *.db.key")
	default:
		r.add(id, Note, "the key of a development server lies beside the database, and is not used", "delete the file *.db.key")
	}
}

func pepper(r *report, f Snapshot) {
	const id = "passwords.pepper"
	switch n := len(f.Config.PasswordPeppers); {
	case n > 1:
		r.add(id, Note, fmt.Sprintf("%d peppers verify: each sign-in takes %d hashes", n, n), "take the old ones out when enough people have signed in (docs/operations.md#rotating-keys)")
		return
	case n == 1:
		r.ok(id, "password hashes are useless without the pepper: keep a copy of it where no copy of the database is")
		return
	}
	r.add(id, Note, "PASSWORD_PEPPER is not set: whoever steals the database can try passwords on its hashes, slowly",
		"fieldgate keys secret makes one; it can be set at any time, counts for each password from its next sign-in, and must never be lost")
}

func breachedPasswords(r *report, f Snapshot) {
	const id = "passwords.breached"
	switch {
	case f.Breached == nil:
		r.add(id, productionLevel(f, Warning), "BREACHED_PASSWORDS is not set: accounts can have passwords that are known from breaches, and are tried first",
			"fieldgate passwords build makes the file (docs/operations.md#breached-passwords)")
	case f.Breached.Err != nil:
		r.add(id, Problem, "BREACHED_PASSWORDS: "+f.Breached.Err.Error(), "make the file again: fieldgate passwords build (docs/operations.md#breached-passwords)")
	default:
		r.ok(id, "%d breached passwords are refused", f.Breached.Passwords)
	}
}

// How long a hash should take: below, guessing is cheap for a thief of the hashes; above, people wait and processors are
// used up.
const (
	minHashTime = 50 * time.Millisecond
	maxHashTime = time.Second
)

func hashing(r *report, f Snapshot) {
	const id = "passwords.cost"
	if f.HashTime == 0 {
		return
	}
	seen := fmt.Sprintf("a password takes %s of a processor at BCRYPT_COST=%d", shortDuration(f.HashTime), f.Config.BcryptCost)
	switch {
	case f.HashTime > maxHashTime:
		r.add(id, Warning, seen+": people wait, and a processor does not even one sign-in a second", "a lower BCRYPT_COST, or quicker processors")
	case f.HashTime < minHashTime:
		r.add(id, Warning, seen+": so does each guess of whoever steals the hashes", "a higher BCRYPT_COST; each step doubles the time")
	default:
		r.ok(id, "%s: about %d sign-ins a second for each processor", seen, max(1, int(time.Second/f.HashTime)))
	}
}

// shortDuration is a duration without what nobody reads: 230ms, 15m, 1.4s.
func shortDuration(d time.Duration) string {
	switch {
	case d >= time.Minute:
		text := d.Round(time.Second).String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		return text
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
