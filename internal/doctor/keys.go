package doctor

import (
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"time"

	"fieldgate/internal/config"
	"fieldgate/models"
)

// maxKeys is more than a rotation needs: two keys, and one that was forgotten.
const maxKeys = 3

// secrets checks the keys of access tokens.
func secrets(r *report, f Snapshot) {
	const id = "keys"
	c := f.Config
	n := len(c.JWTSecrets) + len(c.JWTPrivateKeyFiles)
	switch {
	case n == 0:
		r.add(
			id, Note,
			"JWT_SECRET is not set: the server creates a key beside the SQLite file",
			"for production, create one with: fieldgate keys secret",
		)
	case n > maxKeys:
		r.add(id, Warning, fmt.Sprintf("%d keys verify tokens: each of them can be stolen", n), finishRotation(c))
	case n > 1:
		r.add(
			id, Note,
			fmt.Sprintf("%d keys verify tokens, and the first signs: a rotation is in progress", n),
			finishRotation(c),
		)
	default:
		r.ok(id, "one key signs and verifies tokens: %s", signingKey(c))
	}
	for i, secret := range c.JWTSecrets {
		if weakness := config.Weakness(secret); weakness != "" { // config refuses it in production
			r.add(
				"keys.weak", Warning,
				fmt.Sprintf("secret %d of JWT_SECRET %s", i+1, weakness),
				"create a random one, which production requires: fieldgate keys secret",
			)
		}
	}
}

func finishRotation(c *config.Config) string {
	return fmt.Sprintf("remove the old keys after the new one has signed for %s (ACCESS_TOKEN_TTL)", shortDuration(c.AccessTokenTTL))
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
			r.add(
				id, Problem,
				"JWT_PRIVATE_KEY_FILES: "+file.Err.Error(),
				"create a key with fieldgate keys ed25519, in a file that the server's user can read",
			)
		case isWorldAccessible(file.Mode):
			r.add(id, productionLevel(f, Problem),
				fmt.Sprintf("%s has the mode %04o: every user of the machine can read the private key", file.Name, file.Mode.Perm()),
				"chmod 600 "+file.Name)
		default:
			r.ok(id, "%s is not accessible to other users", file.Name)
		}
	}
}

// isWorldAccessible reports whether every user can read or write a file. Windows has other
// permissions, which the mode does not show.
func isWorldAccessible(mode fs.FileMode) bool {
	return runtime.GOOS != "windows" && mode.Perm()&0o006 != 0
}

func developmentKey(r *report, f Snapshot) {
	const id = "keys.development"
	switch {
	case !f.Config.Production || f.DevelopmentKey == KeyAbsent:
	case f.DevelopmentKey == KeySigning:
		r.add(id, Warning,
			"JWT_SECRET is the key that a development server created beside the database: a copy of the directory is enough to sign tokens",
			"rotate it (docs/operations.md), and delete the file *.db.key")
	default:
		r.add(id, Note, "an unused key of a development server is beside the database", "delete the file *.db.key")
	}
}

// factorKeys checks the keys that encrypt the secrets of second factors.
func factorKeys(r *report, f Snapshot) {
	const id = "factors.keys"
	c := f.Config
	for i, key := range c.FactorKeys {
		if other := usedAs(c, key); other != "" {
			r.add(id, Problem,
				fmt.Sprintf("key %d of FACTOR_KEYS is also in %s: a thief of one secret has both", i+1, other),
				"create another one with fieldgate keys secret, put it in front, and remove the shared one later "+
					"(docs/factors.md#keys)")
		}
	}
	switch n := len(c.FactorKeys); {
	case n > 1:
		r.add(id, Note, fmt.Sprintf("%d keys decrypt second factors, and the first encrypts: a rotation is in progress", n),
			"remove an old key when all users with a second factor have used it since (docs/factors.md#keys)")
	case n == 1:
		r.ok(id, "second factors are encrypted: keep a copy of the key, apart from copies of the database")
	case hasDevelopmentFactorKey(c):
		r.ok(id, "a key beside the SQLite file encrypts second factors")
	default:
		r.add(id, productionLevel(f, Warning),
			"FACTOR_KEYS is not set: users cannot enrol a second factor, and those who have one sign in with recovery codes only",
			"create a key with fieldgate keys secret, give it to all servers, and keep a copy of it")
	}
}

// hasDevelopmentFactorKey reports whether a server without FACTOR_KEYS creates a key itself.
func hasDevelopmentFactorKey(c *config.Config) bool {
	_, isSQLite := models.SQLitePath(c.DatabaseURL)
	return isSQLite && !c.Production
}

// usedAs returns the variable that has a key of FACTOR_KEYS too, or "".
func usedAs(c *config.Config, key string) string {
	switch {
	case slices.Contains(c.JWTSecrets, key):
		return "JWT_SECRET"
	case slices.Contains(c.PasswordPeppers, key):
		return "PASSWORD_PEPPER"
	}
	return ""
}

func pepper(r *report, f Snapshot) {
	const id = "passwords.pepper"
	switch n := len(f.Config.PasswordPeppers); {
	case n > 1:
		r.add(
			id, Note,
			fmt.Sprintf("%d peppers verify: each sign-in computes %d hashes", n, n),
			"remove the old peppers when enough users have signed in (docs/operations.md#rotating-keys)",
		)
		return
	case n == 1:
		r.ok(id, "password hashes are useless without the pepper: keep a copy of it, apart from copies of the database")
		return
	}
	r.add(id, Note, "PASSWORD_PEPPER is not set: a thief of the database can guess passwords from its hashes, slowly",
		"create one with fieldgate keys secret; it can be set at any time, protects each password from its next sign-in on, and must never be lost")
}

func breachedPasswords(r *report, f Snapshot) {
	const id = "passwords.breached"
	switch {
	case f.Breached == nil:
		r.add(id, productionLevel(f, Warning),
			"BREACHED_PASSWORDS is not set: accounts can use passwords known from breaches, which attackers try first",
			"build the file with: fieldgate passwords build (docs/operations.md#breached-passwords)")
	case f.Breached.Err != nil:
		r.add(
			id, Problem,
			"BREACHED_PASSWORDS: "+f.Breached.Err.Error(),
			"build the file again: fieldgate passwords build (docs/operations.md#breached-passwords)",
		)
	default:
		r.ok(id, "%d breached passwords are refused", f.Breached.Passwords)
	}
}

const (
	// Thresholds for the time of a password hash. Below, guessing is cheap for a thief of the
	// hashes. Above, sign-ins are slow and processors are overloaded.
	minHashTime = 50 * time.Millisecond
	maxHashTime = time.Second
)

func hashing(r *report, f Snapshot) {
	const id = "passwords.cost"
	if f.HashTime == 0 {
		return
	}
	message := fmt.Sprintf("a password hash takes %s of processor time at BCRYPT_COST=%d", shortDuration(f.HashTime), f.Config.BcryptCost)
	switch {
	case f.HashTime > maxHashTime:
		r.add(
			id, Warning,
			message+": sign-ins are slow, and a processor handles less than one per second",
			"lower BCRYPT_COST, or use faster processors",
		)
	case f.HashTime < minHashTime:
		r.add(
			id, Warning,
			message+": so does each guess by a thief of the hashes",
			"raise BCRYPT_COST; each step doubles the time",
		)
	default:
		r.ok(id, "%s: about %d sign-ins per second and processor", message, max(1, int(time.Second/f.HashTime)))
	}
}

// shortDuration formats a duration without insignificant digits: 230ms, 15m, 1.4s.
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
