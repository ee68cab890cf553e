"""Removes the sockets that listen on a TCP port from a process's epoll sets, so that it accepts no more connections.

usage: stop-accepting.py PID PORT; needs the right to trace that process, and Linux 5.6
"""
import ctypes
import fcntl
import os
import re
import socket
import sys

PIDFD_GETFD = 438
EPOLL_CTL_DEL = 2

pid, port = int(sys.argv[1]), int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
# High above the numbers of the copies.
pidfd = fcntl.fcntl(os.pidfd_open(pid), fcntl.F_DUPFD, 500)


def borrowed(fd):
    """Copies a file of the other process into this one."""
    copy = libc.syscall(PIDFD_GETFD, pidfd, fd, 0)
    if copy < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return copy


def listens(fd):
    try:
        copy = socket.socket(fileno=borrowed(fd))
    except OSError:
        return None
    is_listening = copy.family in (socket.AF_INET, socket.AF_INET6) and copy.getsockopt(
        socket.SOL_SOCKET, socket.SO_ACCEPTCONN
    )
    is_on_port = is_listening and copy.getsockname()[1] == port
    return copy if is_on_port else None


def link_of(fd):
    """Returns "" for a file that was closed meanwhile: connections come and go."""
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    except FileNotFoundError:
        return ""


links = {int(fd): link_of(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
epolls = [fd for fd, link in links.items() if link == "anon_inode:[eventpoll]"]
count = 0
for fd, link in links.items():
    listener = listens(fd) if link.startswith("socket:") else None
    if listener is None:
        continue
    # epoll identifies a file by its number too: the copy must have the same number.
    for epoll in epolls:
        copy = borrowed(epoll)
        if copy == fd:
            copy = os.dup(copy)
        os.dup2(listener.fileno(), fd)
        count += libc.epoll_ctl(copy, EPOLL_CTL_DEL, fd, None) == 0
sys.exit(0 if count else 1)
