package config

import (
	"net/netip"
	"strings"
)

// mappedBits are the bits in front of an IPv4 address that is written as an IPv6 one (RFC 4291, section 2.5.5.2).
const mappedBits = 96

// parseProxies keeps each range in one form: IPv4 as such, without zones, the bits behind its length zero.
func parseProxies(c *Config, value string) *valueError {
	proxies, bad := parseCSV(value, "range", "10.0.0.1/8 is the same range as 10.0.0.0/8, and 10.0.0.1 the same as 10.0.0.1/32", parseProxy)
	c.TrustedProxies = proxies
	return bad
}

func parseProxy(part string) (netip.Prefix, *valueError) {
	part = strings.TrimSpace(part)
	prefix, err := netip.ParsePrefix(part)
	if ip, alone := netip.ParseAddr(part); alone == nil && ip.Zone() == "" {
		prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	if err != nil {
		return prefix, &valueError{"addresses, or ranges of them, ADDRESS/BITS", "write the addresses that your proxies call from, as in 10.0.0.0/8,2001:db8::1; names are not looked up"}
	}
	if ip := prefix.Addr(); ip.Is4In6() && prefix.Bits() >= mappedBits {
		prefix = netip.PrefixFrom(ip.Unmap(), prefix.Bits()-mappedBits)
	}
	if prefix.Bits() == 0 {
		return prefix, &valueError{"no range of all addresses", "every client could then choose the address that it is known by; write those of your proxies"}
	}
	return prefix.Masked(), nil
}
