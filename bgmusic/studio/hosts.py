"""Addresses of the studio: the socket that listens, the links to the page, and the allowed ``Host`` headers."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Container, Iterable
from typing import Any

from bgmusic.errors import UserError

_NOT_HERE = errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL  # the last: fe80:: without a zone


class Hosts(Container[str]):
    """The values of the header ``Host`` by which a server may be reached: names, and every IP address, with the port.

    DNS rebinding makes a foreign name lead to this machine, and the browser sends that name as ``Host``. An IP address
    needs no DNS, so that a page of another machine can't come with it.

    Args:
        names: names of the server.
        port: its port.

    """

    def __init__(self, names: Iterable[str], port: int) -> None:
        self._names, self._port = frozenset(name.lower() for name in names), f":{port}"

    def __contains__(self, header: object) -> bool:
        if not isinstance(header, str) or not header.endswith(self._port):
            return False
        name = header.removesuffix(self._port).lower()
        return name in self._names or _is_address(name)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; ``0.0.0.0`` and ``::`` are all addresses of this machine.

    Raises:
        UserError: the port is taken, or the address is not this machine's.

    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise UserError(f"--host {host}: no address has this name; choose an address of this machine") from None
    for family, _, _, _, address in found:
        try:
            return _listening(family, address)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                reason = f"port {port} of {host} can't be used: {error.strerror}; choose another --port"
                raise UserError(reason) from None
    raise UserError(f"--host {host}: this machine has no such address; choose one of its own, such as 127.0.0.1")


def allowed_hosts(host: str, listening: socket.socket) -> Hosts:
    """Return by which names and addresses a server that listens on ``host`` may be reached."""
    address = _address(listening)
    names = {host}
    if address.is_loopback or address.is_unspecified:
        names.add("localhost")
    if address.is_unspecified:
        own = socket.gethostname()
        first = own.split(".")[0]
        names |= {own, first, f"{first}.local"}
    return Hosts(names, listening.getsockname()[1])


def links(host: str, listening: socket.socket) -> list[str]:
    """Return the addresses of the page: for this machine, and if all its addresses are listened on, for others."""
    address, port = _address(listening), listening.getsockname()[1]
    if address.is_unspecified:
        hosts = ["127.0.0.1" if address.version == 4 else "[::1]", _own_address()]
    else:
        hosts = [f"[{host}]" if ":" in host else host]
    return [f"http://{one}:{port}/" for one in hosts]


def _listening(family: int, address: tuple[Any, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # :: hears IPv4 too
        listening.bind(address)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _address(listening: socket.socket) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(listening.getsockname()[0])


def _is_address(name: str) -> bool:
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        return (ipaddress.ip_address(bare).version == 6) == (bare != name)
    except ValueError:
        return False


def _own_address() -> str:
    """Return this machine's address in its network, or its name if it is in none."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # an address for documentation; nothing is sent
        return str(probe.getsockname()[0])
    return socket.gethostname()
