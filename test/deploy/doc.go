// Package deploy tests the files of deploy/: it runs proxies in front of a server, and checks the
// settings of what it cannot run.
package deploy
