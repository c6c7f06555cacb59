"""Which address a webhook may go to: never one that only this network can reach, unless a setting says so (API7).

The name is resolved once, every address it has must be allowed, and the one that was checked is the one connected to.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from opendrape_gateway.refusal import Refusal

Resolve = Callable[[str, int], Sequence[str]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LONGEST: Final = 2048
_PORTS: Final = {"http": 80, "https": 443}
# the standard library calls these global, and they lead to addresses that are not
_EMBEDDING: Final = tuple(
    ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)


def resolved(host: str, port: int) -> Sequence[str]:
    """Every address of a name, as the system says. ``OSError`` when it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Pinned:
    """Where to connect, and by which name the receiver is known."""

    address: str
    host: str
    port: int
    is_tls: bool
    target: str


@dataclass(frozen=True)
class Outside:
    """The rules. ``ConfigurationError``-free: networks were parsed when the settings were."""

    allow_networks: tuple[str, ...]
    allow_http: bool
    resolve: Resolve = resolved

    def check_form(self, url: str) -> None:
        """``Refusal`` 422 for what cannot be a webhook's URL, without asking the network."""
        parts = self._parts(url)
        address = _literal(parts.hostname or "")
        if address is not None and not self._may(address):
            raise Refusal(422, "webhook_address")

    def pin(self, url: str) -> Pinned:
        """The one address to connect to. ``Refusal`` when any address of the name is not allowed; ``OSError``."""
        parts = self._parts(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        found = self.resolve(host, port)
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
        if not addresses or not all(map(self._may, addresses)):
            raise Refusal(422, "webhook_address")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Pinned(str(addresses[0]), host, port, parts.scheme == "https", target)

    def _parts(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Refusal(422, "webhook_address") from None
        schemes = {"https"} | ({"http"} if self.allow_http else set())
        # a user, a fragment or odd characters have no business here
        is_odd = parts.username is not None or parts.password is not None or parts.fragment or port == 0
        is_text = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
        if parts.scheme not in schemes or not parts.hostname or is_odd or not is_text or len(url) > _LONGEST:
            raise Refusal(422, "webhook_address")
        return parts

    def _may(self, address: Address) -> bool:
        plain: Any = getattr(address, "ipv4_mapped", None) or address
        if any(plain in network for network in self._allowed if network.version == plain.version):
            return True
        is_embedding = any(plain in network for network in _EMBEDDING if network.version == plain.version)
        return bool(plain.is_global and not plain.is_multicast and not plain.is_reserved and not is_embedding)

    @property
    def _allowed(self) -> list[Network]:
        return [ipaddress.ip_network(text, strict=False) for text in self.allow_networks]


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
