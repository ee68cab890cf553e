"""`python3 threaded.py LISTEN UPSTREAM`: two threads a connection, for the bench."""

import socket
import sys
import threading


def main(listen, upstream):
    with socket.create_server(("127.0.0.1", listen), backlog=4096) as listener:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, upstream), daemon=True).start()


def serve(client, upstream):
    with client:
        try:
            server = socket.create_connection(("127.0.0.1", upstream))
        except OSError:
            return
        with server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=copy, args=(server, client), daemon=True)
            back.start()
            copy(client, server)
            back.join()


def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


main(*map(int, sys.argv[1:]))
