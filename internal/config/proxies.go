package config

import (
	"net/netip"
	"strings"
)

// mappedBits is the length of the prefix of an IPv4-mapped IPv6 address (RFC 4291, section
// 2.5.5.2).
const mappedBits = 96

// parseProxies normalizes each range: IPv4 as such, no zones, zeros after the prefix.
func parseProxies(c *Config, value string) *valueError {
	proxies, invalid := parseCSV(value, "range", "10.0.0.1/8 is the same range as 10.0.0.0/8, and 10.0.0.1 the same as 10.0.0.1/32", parseProxy)
	c.TrustedProxies = proxies
	return invalid
}

func parseProxy(part string) (netip.Prefix, *valueError) {
	part = strings.TrimSpace(part)
	prefix, err := netip.ParsePrefix(part)
	if ip, ipErr := netip.ParseAddr(part); ipErr == nil && ip.Zone() == "" {
		prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	if err != nil {
		return prefix, &valueError{
			"IP addresses or ranges, ADDRESS/BITS",
			"write the addresses that your proxies call from, as in 10.0.0.0/8,2001:db8::1; names are not looked up",
		}
	}
	if ip := prefix.Addr(); ip.Is4In6() && prefix.Bits() >= mappedBits {
		prefix = netip.PrefixFrom(ip.Unmap(), prefix.Bits()-mappedBits)
	}
	if prefix.Bits() == 0 {
		return prefix, &valueError{
			"no range that covers all addresses",
			"any client could then forge its address; write only the addresses of your proxies",
		}
	}
	return prefix.Masked(), nil
}
