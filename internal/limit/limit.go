// Package limit is the arithmetic of rate limits: how many, per what window, counted under which key.
//
// It is the generic cell rate algorithm (GCRA), which needs one number a key: until when the key is used up. Each
// execution moves that moment on by one [Rate.Step], from now at the earliest. As many as Count are let through
// at once; then the slots come back one by one, a Step apart, until after a Window without any all of them are
// there again. So a stretch of time d sees Count + d/Step at the most, and the long run Count a Window.
//
// The package keeps nothing and asks nobody: package models keeps the moments.
package limit

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
)

// Rate is Count per Window. Both are positive, and a Window has a microsecond for each of Count at least.
type Rate struct {
	Count  int
	Window time.Duration
}

// Step is how long a slot takes to come back, in whole microseconds.
func (r Rate) Step() time.Duration {
	return (r.Window / time.Duration(r.Count)).Truncate(time.Microsecond)
}

// Latest is the moment until which a key may be used up, at now, and still one more is let through.
func (r Rate) Latest(now time.Time) time.Time {
	return now.Add(time.Duration(r.Count-1) * r.Step())
}

// Wait is how long it takes, from now, until one more is let through by a key that is used up until then; zero
// if it is let through at once.
func (r Rate) Wait(until, now time.Time) time.Duration {
	return max(0, until.Sub(r.Latest(now)))
}

// Key makes a key of its parts, each of which counts as it is: ("a", "bc") is another key than ("ab", "c"). It is
// a hash, so that no table fills with what people type into a form. Whoever has the table can still try
// whether an address is in it: most of these rows live for minutes.
func Key(parts ...string) []byte {
	h := sha256.New()
	h.Write([]byte("fieldgate limit"))
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// subscriberBits: an IPv6 network of this length is what one customer gets at the least, and each of its addresses
// is theirs to use.
const subscriberBits = 64

// Network is what the addresses that one client can take at will have in common: an IPv4 address itself, also
// where it is written as an IPv6 one, and of an IPv6 address its /64. What is no address is "".
func Network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	network, _ := addr.Prefix(subscriberBits) // fails for more bits than there are
	return network.String()
}

// siteBits: providers give a customer an IPv6 network of this length at most (RFC 6177), with 65,536 networks of /64 in it.
const siteBits = 48

// Site is what the networks that one customer can have at will have in common: of an IPv6 [Network] its /48, and of
// anything else itself.
func Site(network string) string {
	prefix, err := netip.ParsePrefix(network)
	if err != nil || !prefix.Addr().Is6() || prefix.Bits() < siteBits {
		return network
	}
	site, _ := prefix.Addr().Prefix(siteBits) // fails for more bits than there are
	return site.String()
}
