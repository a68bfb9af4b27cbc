"""Addresses that do not belong to another machine."""

from ipaddress import ip_address

import pytest

from modelops.api.addresses import LocalAddress, local_address_kind


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.96.0.10", None),
        ("192.168.1.1", None),
        ("100.64.0.1", None),
        ("203.0.113.7", None),
        ("fd00:10:96::a", None),
        ("2001:db8::1", None),
        ("::ffff:10.96.0.10", None),
        ("127.0.0.1", LocalAddress.LOOPBACK),
        ("127.255.0.9", LocalAddress.LOOPBACK),
        ("::1", LocalAddress.LOOPBACK),
        ("::ffff:127.0.0.1", LocalAddress.LOOPBACK),
        ("169.254.169.254", LocalAddress.LINK_LOCAL),
        ("fe80::1", LocalAddress.LINK_LOCAL),
        ("fe80::1%eth0", LocalAddress.LINK_LOCAL),
        ("febf::1", LocalAddress.LINK_LOCAL),
        ("::ffff:169.254.169.254", LocalAddress.LINK_LOCAL),
        ("0.0.0.0", LocalAddress.UNSPECIFIED),
        ("::", LocalAddress.UNSPECIFIED),
        ("224.0.0.1", LocalAddress.MULTICAST),
        ("ff02::1", LocalAddress.MULTICAST),
    ],
)
def test_local_addresses_are_recognized(address: str, expected: LocalAddress | None) -> None:
    """Pods and Services of a cluster are other machines, whatever their range. Addresses of the node itself are not."""
    assert local_address_kind(ip_address(address)) is expected
