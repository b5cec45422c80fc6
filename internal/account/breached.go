package account

import (
	"context"
	"slices"

	"golang.org/x/text/unicode/norm"
)

// Breached is a set of passwords known from data breaches.
type Breached interface {
	Contains(password string) (bool, error)
}

const breachedPassword = "is known from a data breach: choose one that you use nowhere else"

// checkPassword returns what is wrong with a new password, or "". The password must not consist of
// names.
func (s *Service) checkPassword(ctx context.Context, password string, names ...string) string {
	if message := weakness(password, s.config.PasswordMinLength, append(slices.Clone(names), s.config.Product)...); message != "" {
		return message
	}
	if s.isBreached(ctx, password) {
		return breachedPassword
	}
	return ""
}

// isBreached looks up a password as it was typed and as it is hashed. If the file cannot be read,
// the password is accepted: the set only adds to the other checks, and a password reset may be what
// stops an attack.
func (s *Service) isBreached(ctx context.Context, password string) bool {
	if s.config.Breached == nil {
		return false
	}
	forms := []string{password}
	if normal := norm.NFC.String(password); normal != password {
		forms = append(forms, normal)
	}
	for _, form := range forms {
		found, err := s.config.Breached.Contains(form)
		if err != nil {
			s.config.Log.ErrorContext(ctx, "breached passwords cannot be read", "error", err)
			return false
		}
		if found {
			return true
		}
	}
	return false
}
