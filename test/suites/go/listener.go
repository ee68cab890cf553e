package httptest

import (
	"net"
	"os"
	"strings"
	"sync"
)

// free has the places that no listener has: each is the address to listen at, "=", and the address to dial.
var free = strings.Fields(os.Getenv("STEADYPORT_PLACES"))
var freeMutex sync.Mutex

// placed says that it is where clients are to dial.
type placed struct {
	net.Listener
	place  string
	dialed net.Addr
	closed sync.Once
}

func (l *placed) Addr() net.Addr { return l.dialed }

func (l *placed) Close() error {
	err := l.Listener.Close()
	l.closed.Do(func() {
		freeMutex.Lock()
		defer freeMutex.Unlock()
		free = append(free, l.place)
	})
	return err
}

// newLocalListener stands in for the function of httptest/server.go by this name.
func newLocalListener() net.Listener {
	freeMutex.Lock()
	defer freeMutex.Unlock()
	if len(free) == 0 {
		panic("all places are taken")
	}
	place := free[0]
	free = free[1:]
	listened, dialed, _ := strings.Cut(place, "=")
	listener, err := net.Listen("tcp4", listened)
	if err != nil {
		panic(err)
	}
	address, err := net.ResolveTCPAddr("tcp4", dialed)
	if err != nil {
		panic(err)
	}
	return &placed{Listener: listener, place: place, dialed: address}
}
