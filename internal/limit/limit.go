// Package limit computes rate limits: the state of a key, its waiting time and the keys themselves.
//
// It implements the generic cell rate algorithm (GCRA). A key's state is one time: until when the
// key is used up. Each execution moves that time forward by one [Rate.Step], starting from now at
// the earliest. A fresh key admits Count executions at once. After that one more is admitted per
// Step, and after an idle Window all Count again. So a period d admits at most Count + d/Step,
// which is Count per Window in the long run.
//
// The package stores nothing: package models stores the times.
package limit

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
)

// Rate allows Count executions per Window. Both are positive, and Window is at least Count
// microseconds.
type Rate struct {
	Count  int
	Window time.Duration
}

// Step returns the time in which one execution is replenished, in whole microseconds.
func (r Rate) Step() time.Duration {
	return (r.Window / time.Duration(r.Count)).Truncate(time.Microsecond)
}

// Latest returns the latest time until which a key may be used up so that one more execution is
// admitted at now.
func (r Rate) Latest(now time.Time) time.Time {
	return now.Add(time.Duration(r.Count-1) * r.Step())
}

// Wait returns the time from now until a key that is used up until the given time admits one more
// execution. It is 0 if the key admits one at once.
func (r Rate) Wait(until, now time.Time) time.Duration {
	return max(0, until.Sub(r.Latest(now)))
}

// Key returns the key of its parts, with their boundaries: ("a", "bc") and ("ab", "c") have
// different keys. The key is a hash, so that the table does not collect what users type into forms.
// With the table an attacker can still test whether it contains an address; most rows live for
// minutes.
func Key(parts ...string) []byte {
	h := sha256.New()
	h.Write([]byte("fieldgate limit"))
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// subscriberBits is the prefix length of the smallest IPv6 network that a customer gets. The
// customer can use each of its addresses.
const subscriberBits = 64

// Network returns the network whose addresses one client can choose freely. For an IPv4 address,
// also an IPv4-mapped one, it is the address; for an IPv6 address it is the /64. It returns "" for
// anything else.
func Network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	network, _ := addr.Prefix(subscriberBits) // fails only for a prefix longer than the address
	return network.String()
}

// siteBits is the prefix length of the largest IPv6 network that providers assign to a customer
// (RFC 6177). It contains 65,536 networks of /64.
const siteBits = 48

// Site returns the network whose [Network] values one customer can choose freely: the /48 of an
// IPv6 network. It returns anything else unchanged.
func Site(network string) string {
	prefix, err := netip.ParsePrefix(network)
	if err != nil || !prefix.Addr().Is6() || prefix.Bits() < siteBits {
		return network
	}
	site, _ := prefix.Addr().Prefix(siteBits) // fails only for a prefix longer than the address
	return site.String()
}
