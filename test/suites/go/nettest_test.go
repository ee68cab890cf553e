package main

import (
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/nettest"
)

// TestThroughPlace has nettest test the two ends of a connection: a client's, and the one that its server accepted.
func TestThroughPlace(t *testing.T) {
	listened, dialed, _ := strings.Cut(os.Getenv("STEADYPORT_PLACES"), "=")
	nettest.TestConn(t, func() (client, server net.Conn, stop func(), err error) {
		listener, err := net.Listen(split(listened))
		if err != nil {
			return nil, nil, nil, err
		}
		defer listener.Close()
		client, err = net.Dial(split(dialed))
		if err != nil {
			return nil, nil, nil, err
		}
		server, err = listener.Accept()
		if err != nil {
			client.Close()
			return nil, nil, nil, err
		}
		return client, server, func() { client.Close(); server.Close() }, nil
	})
}

func split(place string) (network, address string) {
	if path := strings.TrimPrefix(place, "unix:"); path != place {
		return "unix", path
	}
	return "tcp4", place
}
