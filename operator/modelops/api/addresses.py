"""Addresses that lead no farther than to who asks, or to its node: nobody else may have them asked. Pure."""

from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address


class LocalAddress(Enum):
    """Why an address is none of another machine in the network."""

    LOOPBACK = auto()
    LINK_LOCAL = auto()
    """The node's own, such as a cloud's metadata at 169.254.169.254."""
    UNSPECIFIED = auto()
    """Of which Linux makes loopback."""
    MULTICAST = auto()


def local_address(address: IPv4Address | IPv6Address) -> LocalAddress | None:
    """What an address is if it is none of another machine. An IPv4 address in IPv6's clothes is what it is without."""
    plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
    if plain.is_loopback:
        return LocalAddress.LOOPBACK
    if plain.is_link_local:
        return LocalAddress.LINK_LOCAL
    if plain.is_unspecified:
        return LocalAddress.UNSPECIFIED
    return LocalAddress.MULTICAST if plain.is_multicast else None
