package server

import (
	"net"
	"net/http"
	"strings"

	"fieldgate/internal/guard"
	"fieldgate/internal/web"
)

// requireKnownHost refuses requests that name an unknown host, if isChecked is set.
func (s *Server) requireKnownHost(isChecked bool) func(http.Handler) http.Handler {
	if !isChecked {
		return func(next http.Handler) http.Handler { return next }
	}
	return web.Hosts(s.Config.KnownHosts(), guard.RejectHandler(http.StatusMisdirectedRequest, "Host",
		"names no host of this server. It answers to IP addresses, localhost and the host of PUBLIC_URL. Hint: ALLOWED_HOSTS=NAME adds a name"))
}

// warnDevelopment logs what a server without ENV=production exposes, and whether other machines can
// reach it. The operator may have forgotten ENV=production.
func (s *Server) warnDevelopment(listeners []net.Listener) {
	if s.Config.Production {
		return
	}
	const hint = "Hint: set ENV=production on a server for other users"
	message := "this is a development server, and only this machine can reach it. " + hint + ", or ADDR=:8080 for a container or a phone"
	for _, l := range listeners {
		if addr, ok := l.Addr().(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
			message = "this is a development server, and other machines can reach it. " + hint
		}
	}
	s.Log.Warn(message, "listen", listeners[0].Addr().String(), "exposes", strings.Join(s.exposedFeatures(), ", "))
}

// exposedFeatures returns what every client of a development server can see or use.
func (s *Server) exposedFeatures() (list []string) {
	for _, feature := range []struct {
		isOn bool
		name string
	}{
		{s.Inbox != nil, "all mails with their links at " + InboxPath},
		{s.Config.Playground, "the playground"},
		{s.Config.Introspection, "the schema by introspection"},
		{len(s.Config.JWTSecrets) == 0 && len(s.Config.JWTPrivateKeyFiles) == 0, "tokens signed with a generated JWT_SECRET"},
		{s.Config.LimitsOff, "password guesses without rate limits"},
		{s.options.Demo, "demo accounts with a public password"},
	} {
		if feature.isOn {
			list = append(list, feature.name)
		}
	}
	return list
}
