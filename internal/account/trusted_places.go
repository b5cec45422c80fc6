package account

import (
	"context"
	"time"

	"fieldgate/internal/auth"
	"fieldgate/internal/limit"
	"fieldgate/models"
)

// maxTrustedPlaces limits the trusted places of an account. A place is a device cookie or, for
// clients without cookies, a network. A sign-in from one more drops the place that expires first.
const maxTrustedPlaces = 20

// TrustTTL is how long an account trusts a place after a sign-in, and how long a browser keeps its
// device cookie.
const TrustTTL = 90 * 24 * time.Hour

// AccountKey returns the key under which attempts on an e-mail address are counted, whether or not
// an account has it. Each invalid address has its own key, so that users who mistype theirs do not
// share one counter.
func AccountKey(email string) string {
	if key, message := EmailKey(email); message == "" {
		return key
	}
	return "no address: " + email
}

// devicePlace returns the place of a client with a device cookie; nil for no cookie.
func devicePlace(device string) []byte {
	if device == "" {
		return nil
	}
	return limit.Key("trusted device", device)
}

// networkPlace returns the place of a client without cookies; nil for an unknown address.
func networkPlace(ip string) []byte {
	network := limit.Network(ip)
	if network == "" {
		return nil
	}
	return limit.Key("trusted network", network)
}

// TrustedPlace returns the client's place if the account with the key name trusts it, and otherwise
// nil. It does the same work whether or not the account exists.
func TrustedPlace(ctx context.Context, store *models.Store, name string, client auth.Client) ([]byte, error) {
	var places [][]byte
	for _, place := range [][]byte{devicePlace(client.Device), networkPlace(client.IP)} {
		if place != nil {
			places = append(places, place)
		}
	}
	if len(places) == 0 {
		return nil, nil
	}
	return store.FindTrustedPlace(ctx, name, places, store.Now())
}

// deviceOf returns the device that a sign-in makes trusted: the one in the client's cookie, or a
// new one. A client that receives its refresh token in the body keeps no cookies and has none.
func deviceOf(client auth.Client, usesCookies bool) string {
	switch {
	case !usesCookies:
		return ""
	case client.Device != "":
		return client.Device
	}
	return randomToken()
}

// openSession stores a session after a successful authentication and trusts the client's place.
func (s *Service) openSession(
	ctx context.Context, tx *models.Store, e *event, session *models.Session, device string, client auth.Client,
) error {
	if ended, err := s.addSession(ctx, tx, e, session); ended || err != nil {
		return err
	}
	return s.trustClient(ctx, tx, session, device, client)
}

// trustClient trusts the client's place for TrustTTL. Signing out does not end the trust: attempts
// from elsewhere that use up the account's limit must not lock out the owner here.
//
// A client that has returned the device cookie is identified by it alone. Until then, and without
// cookies, it is identified by its network.
func (s *Service) trustClient(
	ctx context.Context, tx *models.Store, session *models.Session, device string, client auth.Client,
) error {
	until := session.CreatedAt.Add(TrustTTL)
	var places []*models.TrustedPlace
	if place := devicePlace(device); place != nil {
		places = append(places, newTrustedPlace(session.UserID, place, until))
	}
	network := networkPlace(client.IP)
	returned := device != "" && device == client.Device
	if network != nil && !returned {
		places = append(places, newTrustedPlace(session.UserID, network, until))
	}
	if err := tx.SaveTrustedPlaces(ctx, places, maxTrustedPlaces); err != nil || network == nil || !returned {
		return err
	}
	return tx.DeleteTrustedPlace(ctx, trustedPlaceID(session.UserID, network), session.UserID)
}

func newTrustedPlace(userID string, place []byte, until time.Time) *models.TrustedPlace {
	return &models.TrustedPlace{ID: trustedPlaceID(userID, place), UserID: userID, Place: place, ExpiresAt: until}
}

func trustedPlaceID(userID string, place []byte) []byte {
	return limit.Key("trusted place", userID, string(place))
}

// dropNetworkTrust removes the trust in the network of a client that turned out to keep cookies.
// From its first refresh on, its device cookie alone identifies it.
func (s *Service) dropNetworkTrust(ctx context.Context, tx *models.Store, session *models.Session) error {
	if session.RotatedAt != nil || session.IP == nil || auth.ViewerFrom(ctx).Client().Device == "" {
		return nil
	}
	return tx.DeleteTrustedPlace(ctx, trustedPlaceID(session.UserID, networkPlace(*session.IP)), session.UserID)
}
