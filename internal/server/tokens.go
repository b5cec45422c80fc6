package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"fieldgate/internal/auth"
	"fieldgate/internal/keyring"
	"fieldgate/models"
)

// openTokens creates the tokens with the configured keys. Without keys, it uses a key beside the
// SQLite file, and creates that key if it is missing.
func (s *Server) openTokens() (*auth.Tokens, error) {
	private, err := PrivateKeys(s.Config.JWTPrivateKeyFiles)
	if err != nil {
		return nil, fmt.Errorf("JWT_PRIVATE_KEY_FILES: %w", err)
	}
	secrets := s.Config.JWTSecrets
	if len(secrets) == 0 && len(private) == 0 {
		file, ok := models.SQLitePath(s.Config.DatabaseURL)
		if !ok {
			return nil, errors.New("JWT_SECRET: not set. Every server of one database needs the same key. Hint: create one with: fieldgate keys secret")
		}
		secret, err := auth.SecretFile(file + ".key")
		if errors.Is(err, fs.ErrNotExist) { // the directory is missing: SecretFile creates the file
			return nil, fmt.Errorf(
				"DATABASE_URL: the directory of %q does not exist. Hint: create it, or choose another file: sqlite:///DIRECTORY/FILE",
				file,
			)
		}
		if err != nil {
			return nil, keyFileError("JWT_SECRET", file, err)
		}
		secrets = []string{secret}
	}
	return s.newTokens(private, secrets)
}

// openDevelopmentFactorKey gives a development server without FACTOR_KEYS a key in a file beside
// its SQLite database, which is created if it is missing. In production, a key that no backup
// contains would lock out the users of second factors.
func (s *Server) openDevelopmentFactorKey() error {
	file, ok := models.SQLitePath(s.Config.DatabaseURL)
	if s.Config.Production || len(s.Config.FactorKeys) > 0 || !ok {
		return nil
	}
	secret, err := auth.SecretFile(file + ".factor-key")
	if err != nil {
		return keyFileError("FACTOR_KEYS", file, err)
	}
	s.factorKeys, err = keyring.New([]string{secret})
	return err
}

// keyFileError explains why the key beside a SQLite file cannot be used. A directory that is not
// writable is reported as an error of DATABASE_URL, because the database needs it, too.
func keyFileError(variable, file string, err error) error {
	if folder := models.CheckSQLiteFolder(file); folder != nil {
		return fmt.Errorf("DATABASE_URL: %w", folder)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%[1]s is not set, and the development key cannot be read by user id %[2]d: %[3]w. "+
			"Hint: change the owner of the file to the server's user, or set %[1]s", variable, os.Getuid(), err)
	}
	return fmt.Errorf("%s is not set, and the development key cannot be created: %w", variable, err)
}

// PrivateKeys reads the keys of JWT_PRIVATE_KEY_FILES.
func PrivateKeys(names []string) ([]auth.PrivateKey, error) {
	files := make([]auth.KeyFile, len(names))
	for i, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf(
				"%w. Hint: create a key with fieldgate keys ed25519, in a file that the server can read",
				err,
			)
		}
		files[i] = auth.KeyFile{Name: name, PEM: content}
	}
	return auth.ParsePrivateKeys(files)
}
