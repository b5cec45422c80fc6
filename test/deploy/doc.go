// Package deploy tests the files of deploy/: it runs the proxies in front of a server, and checks what cannot run here.
package deploy
