package account

import (
	"bytes"
	"context"
	"slices"

	"fieldgate/internal/limit"
	"fieldgate/models"
)

// NameOf is what the account with an e-mail address is counted under, whether or not there is one. What is no
// address has a name of its own too, or else those who mistype theirs would share one count.
func NameOf(email string) string {
	if key, wrong := EmailKey(email); wrong == "" {
		return key
	}
	return "no address: " + email
}

// KnownAddress is the row that says that the account's owner has signed in from an IP address, or from its
// network; nil for an IP address that is not known.
func KnownAddress(name, ip string) []byte {
	network := limit.Network(ip)
	if network == "" {
		return nil
	}
	return limit.Key("known address", name, network)
}

// knownAddresses are the rows of several IP addresses, each once.
func knownAddresses(name string, ips []string) (list [][]byte) {
	for _, ip := range ips {
		if row := KnownAddress(name, ip); row != nil {
			list = append(list, row)
		}
	}
	slices.SortFunc(list, bytes.Compare)
	return slices.CompactFunc(list, bytes.Equal)
}

// openSession stores a session of somebody who has just proved who they are, and that they did so at this
// address. It is remembered for as long as the session may live, also when they sign out before: whoever
// fills the account's limit from elsewhere does not lock them out here.
func (s *Service) openSession(ctx context.Context, tx *models.Store, session *models.Session) error {
	if err := tx.CreateSession(ctx, session); err != nil || session.IP == nil {
		return err
	}
	known := KnownAddress(session.User.EmailKey, *session.IP)
	if known == nil {
		return nil
	}
	return tx.Remember(ctx, known, session.CreatedAt.Add(s.SessionMaxAge))
}

// moveKnown has the owner of an account known from where they were under another address of theirs. It comes after the change
// of the address: what is read before that could hide what others do meanwhile.
func moveKnown(ctx context.Context, tx *models.Store, user *models.User, key string) error {
	if key == user.EmailKey {
		return nil
	}
	ips, err := tx.Whereabouts(ctx, user.ID)
	if err != nil {
		return err
	}
	moved := map[string]bool{}
	for _, ip := range ips {
		from := KnownAddress(user.EmailKey, ip)
		if from == nil || moved[string(from)] {
			continue
		}
		if err := tx.MoveException(ctx, from, KnownAddress(key, ip)); err != nil {
			return err
		}
		moved[string(from)] = true
	}
	return nil
}
