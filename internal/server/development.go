package server

import (
	"net"
	"net/http"
	"strings"

	"fieldgate/internal/guard"
	"fieldgate/internal/web"
)

// requireKnownHost refuses requests that name another host, if checked is set.
func (s *Server) requireKnownHost(checked bool) func(http.Handler) http.Handler {
	if !checked {
		return func(next http.Handler) http.Handler { return next }
	}
	return web.Hosts(s.Config.KnownHosts(), guard.RejectHandler(http.StatusMisdirectedRequest, "Host",
		"names no host of this server. It answers to IP addresses, localhost and the host of PUBLIC_URL. Hint: ALLOWED_HOSTS=NAME adds a name"))
}

// warnDevelopment says what a server without ENV=production shows, and to which machines: whether
// that was forgotten shows in the log.
func (s *Server) warnDevelopment(on []net.Listener) {
	if s.Config.Production {
		return
	}
	const hint = "Hint: ENV=production for everything that others use"
	message := "this is a development server, for this machine only. " + hint + "; ADDR=:8080 in a container or for a phone"
	for _, l := range on {
		if addr, ok := l.Addr().(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
			message = "this is a development server, and other machines can reach it. " + hint
		}
	}
	s.Log.Warn(message, "listen", on[0].Addr().String(), "exposes", strings.Join(s.exposedFeatures(), ", "))
}

// exposedFeatures is what every client of a development server can see or use, for its log.
func (s *Server) exposedFeatures() (list []string) {
	for _, thing := range []struct {
		is   bool
		name string
	}{
		{s.Inbox != nil, "all mail with its links at " + InboxPath},
		{s.Config.Playground, "the playground"},
		{s.Config.Introspection, "the schema by introspection"},
		{len(s.Config.JWTSecrets) == 0 && len(s.Config.JWTPrivateKeyFiles) == 0, "tokens signed by a made-up JWT_SECRET"},
		{s.Config.LimitsOff, "password guesses without rate limits"},
		{s.options.Demo, "accounts whose password is public"},
	} {
		if thing.is {
			list = append(list, thing.name)
		}
	}
	return list
}
