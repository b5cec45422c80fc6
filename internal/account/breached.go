package account

import (
	"context"
	"slices"

	"golang.org/x/text/unicode/norm"
)

// Breached is a set of passwords that are known from data breaches.
type Breached interface {
	Contains(password string) (bool, error)
}

const breachedPassword = "is known from a data breach: choose one that you use nowhere else"

// checkPassword returns what is wrong with a new password, or "". names are what it must not be made of.
func (s *Service) checkPassword(ctx context.Context, password string, names ...string) string {
	if wrong := weakness(password, s.config.PasswordMinLength, append(slices.Clone(names), s.config.Product)...); wrong != "" {
		return wrong
	}
	if s.isBreached(ctx, password) {
		return breachedPassword
	}
	return ""
}

// isBreached looks for a password as it was typed, and as it is hashed. A file that cannot be read keeps no one from
// a new password: the set adds to the checks before it, and a reset may be what ends an attack.
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
