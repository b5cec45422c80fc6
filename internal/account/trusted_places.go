package account

import (
	"context"
	"time"

	"fieldgate/internal/auth"
	"fieldgate/internal/limit"
	"fieldgate/models"
)

// maxTrustedPlaces is how many places an account trusts. A sign-in from one more drops the place that expires first.
const maxTrustedPlaces = 20

// TrustTTL is how long an account trusts a place after a sign-in, and how long a browser keeps its device cookie.
const TrustTTL = 90 * 24 * time.Hour

// AccountKey is what the account with an e-mail address is counted under, whether or not there is one. What is no
// address has a name of its own too, or else those who mistype theirs would share one count.
func AccountKey(email string) string {
	if key, wrong := EmailKey(email); wrong == "" {
		return key
	}
	return "no address: " + email
}

// devicePlace is the place of a client that keeps cookies; nil for no cookie.
func devicePlace(device string) []byte {
	if device == "" {
		return nil
	}
	return limit.Key("trusted device", device)
}

// networkPlace is the place of a client that keeps no cookies; nil for an unknown address.
func networkPlace(ip string) []byte {
	network := limit.Network(ip)
	if network == "" {
		return nil
	}
	return limit.Key("trusted network", network)
}

// TrustedPlace returns the place of a client if the owner of the account with this name has signed in from it, and
// otherwise nil. Whether there is such an account does not change the work.
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

// deviceOf is the device that a sign-in makes trusted: the one in the client's cookie, or a new one. A client that
// takes its refresh token in the body keeps no cookies, and has none.
func deviceOf(client auth.Client, keepsCookies bool) string {
	switch {
	case !keepsCookies:
		return ""
	case client.Device != "":
		return client.Device
	}
	return randomToken()
}

// openSession stores a session whose owner has just proved who they are, and trusts the place of the client.
func (s *Service) openSession(ctx context.Context, tx *models.Store, e *event, session *models.Session, device string, client auth.Client) error {
	if ended, err := s.addSession(ctx, tx, e, session); ended || err != nil {
		return err
	}
	return s.trustClient(ctx, tx, session, device, client)
}

// trustClient trusts the place of a client that opens a session for TrustTTL. Signing out does not end that: attempts
// from elsewhere that fill the account's limit must not lock the owner out here.
//
// A client that has returned the cookie is known by it alone. Until then, and without cookies, it is known by
// its network.
func (s *Service) trustClient(ctx context.Context, tx *models.Store, session *models.Session, device string, client auth.Client) error {
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

// dropNetworkTrust drops the network of a sign-in whose client has turned out to keep cookies: from its first refresh on
// it is known by its device alone.
func (s *Service) dropNetworkTrust(ctx context.Context, tx *models.Store, session *models.Session) error {
	if session.RotatedAt != nil || session.IP == nil || auth.ViewerFrom(ctx).Client().Device == "" {
		return nil
	}
	return tx.DeleteTrustedPlace(ctx, trustedPlaceID(session.UserID, networkPlace(*session.IP)), session.UserID)
}
