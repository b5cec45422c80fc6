package account

import (
	"context"
	"encoding/base64"
	"net/netip"
	"strings"

	"fieldgate/internal/auth"
	"fieldgate/internal/limit"
	"fieldgate/models"
)

// requesterOf returns a hash of the requester that a mail is counted under: the signed-in account,
// or else the client's network. It returns nil outside of a request.
func requesterOf(viewer *auth.Viewer) *string {
	if id := viewer.UserID(); id != "" {
		return requesterKey("account", id)
	}
	return requesterKey("network", limit.Site(limit.Network(viewer.Client().IP)))
}

func requesterKey(kind, who string) *string {
	if who == "" {
		return nil
	}
	name := base64.RawURLEncoding.EncodeToString(limit.Key("asks for mails", kind, who))
	return &name
}

// setOrigin sets the requester and the place of a mail. It does the same work for every account and
// address.
func setOrigin(ctx context.Context, m *models.Mail) {
	viewer := auth.ViewerFrom(ctx)
	client := viewer.Client()
	m.Asker, m.IP = requesterOf(viewer), optional(client.IP)
	if m.Place = devicePlace(client.Device); m.Place == nil {
		m.Place = networkPlace(client.IP)
	}
}

// Prefix lengths of the networks in mails and aggregated audit entries: the network of an
// organization or a neighbourhood.
const (
	networkBits4 = 24
	networkBits6 = 48
)

// coarseNetwork returns the network of an IP address, such as 203.0.113.0/24 or 2001:db8:7::/48, or
// "" for an invalid address.
func coarseNetwork(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	addr = addr.Unmap().WithZone("")
	bits := networkBits6
	if addr.Is4() {
		bits = networkBits4
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return ""
	}
	return network.String()
}

// mailbox returns an e-mail key without the +tag of its local part: most mail servers deliver all
// tags to one mailbox. Gmail ignores dots too. Elsewhere dots distinguish users, who must not use
// up each other's mails.
func mailbox(key string) string {
	at := strings.LastIndexByte(key, '@')
	if at < 0 {
		return key
	}
	local, _, _ := strings.Cut(key[:at], "+")
	if local == "" { // "+tag@example.com" is a mailbox of its own
		return key
	}
	if domain := key[at+1:]; domain == "gmail.com" || domain == "googlemail.com" {
		return strings.ReplaceAll(local, ".", "") + "@gmail.com"
	}
	return local + key[at:]
}
