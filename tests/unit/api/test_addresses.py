"""Addresses to which the operator connects for a user: no special range, in whatever form, but by exception."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.addresses import ANY_ADDRESS, POD_ADDRESSES, AddressRules, SpecialRange, special_range

FORMS = {
    "compatible": lambda v4: int(v4),
    "mapped": lambda v4: (0xFFFF << 32) | int(v4),
    "translated": lambda v4: (0xFFFF << 48) | int(v4),
    "NAT64": lambda v4: (0x0064FF9B << 96) | int(v4),
    "6to4": lambda v4: (0x2002 << 112) | (int(v4) << 80) | 1,
    "Teredo server": lambda v4: (0x20010000 << 96) | (int(v4) << 64) | (int(IPv4Address("203.0.113.7")) ^ 0xFFFFFFFF),
    "Teredo client": lambda v4: (0x20010000 << 96) | (0xCB007107 << 64) | (int(v4) ^ 0xFFFFFFFF),
    "ISATAP": lambda v4: (0x20010DB8 << 96) | (0x5EFE << 32) | int(v4),
    "ISATAP, universal": lambda v4: (0x20010DB8 << 96) | (0x02005EFE << 32) | int(v4),
}
"""Ways in which an IPv6 address leads to an IPv4 address."""


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.96.0.10", None),
        ("172.16.0.1", None),
        ("192.168.1.1", None),
        ("203.0.113.7", None),
        ("100.63.255.255", None),
        ("100.128.0.0", None),
        ("169.253.255.255", None),
        ("fd00:10:96::a", None),
        ("2001:db8::1", None),
        ("2600::1", None),
        ("::ffff:10.96.0.10", None),
        ("64:ff9b::203.0.113.7", None),
        ("127.0.0.1", SpecialRange.LOOPBACK),
        ("127.255.0.9", SpecialRange.LOOPBACK),
        ("::1", SpecialRange.LOOPBACK),
        ("::ffff:127.0.0.1", SpecialRange.LOOPBACK),
        ("::127.0.0.1", SpecialRange.LOOPBACK),
        ("2002:7f00:1::", SpecialRange.LOOPBACK),
        ("64:ff9b::7f00:1", SpecialRange.LOOPBACK),
        ("169.254.169.254", SpecialRange.LINK_LOCAL),
        ("169.254.170.2", SpecialRange.LINK_LOCAL),
        ("169.254.170.23", SpecialRange.LINK_LOCAL),
        ("fe80::1", SpecialRange.LINK_LOCAL),
        ("fe80::a9fe:a9fe", SpecialRange.LINK_LOCAL),
        ("fe80::1%eth0", SpecialRange.LINK_LOCAL),
        ("febf::1", SpecialRange.LINK_LOCAL),
        ("::ffff:169.254.169.254", SpecialRange.LINK_LOCAL),
        ("64:ff9b::169.254.169.254", SpecialRange.LINK_LOCAL),
        ("2002:a9fe:a9fe::1", SpecialRange.LINK_LOCAL),
        ("2001:0:a9fe:a9fe::", SpecialRange.LINK_LOCAL),
        ("2001:0:cb00:7107:0:0:5601:5601", SpecialRange.LINK_LOCAL),
        ("2001:db8::5efe:169.254.169.254", SpecialRange.LINK_LOCAL),
        ("168.63.129.16", SpecialRange.METADATA),
        ("100.100.100.200", SpecialRange.METADATA),
        ("192.0.0.192", SpecialRange.METADATA),
        ("fd00:ec2::254", SpecialRange.METADATA),
        ("fd00:ec2::23", SpecialRange.METADATA),
        ("fd20:ce::254", SpecialRange.METADATA),
        ("fd00:c1::a9fe:a9fe", SpecialRange.METADATA),
        ("fd00:42::42", SpecialRange.METADATA),
        ("::ffff:100.100.100.200", SpecialRange.METADATA),
        ("64:ff9b:1::8.8.8.8", SpecialRange.TRANSLATED),
        ("64:ff9b:1:7f00:0:100::", SpecialRange.TRANSLATED),
        ("100.64.0.1", SpecialRange.SHARED),
        ("100.127.255.255", SpecialRange.SHARED),
        ("0.0.0.0", SpecialRange.UNSPECIFIED),
        ("0.1.2.3", SpecialRange.UNSPECIFIED),
        ("::", SpecialRange.UNSPECIFIED),
        ("224.0.0.1", SpecialRange.MULTICAST),
        ("239.255.255.255", SpecialRange.MULTICAST),
        ("ff02::1", SpecialRange.MULTICAST),
        ("255.255.255.255", SpecialRange.RESERVED),
        ("240.0.0.1", SpecialRange.RESERVED),
        ("192.0.0.8", SpecialRange.RESERVED),
        ("100::1", SpecialRange.RESERVED),
        ("fec0::1", SpecialRange.RESERVED),
    ],
)
def test_special_addresses_are_refused(address: str, expected: SpecialRange | None) -> None:
    """Pods and Services of a cluster are ordinary servers. The node's own and a cloud's metadata are not."""
    assert special_range(ip_address(address)) is expected
    assert AddressRules().permit(ip_address(address)) is (expected is None)


RULES = AddressRules(
    deny=(ip_network("10.0.0.0/8"), ip_network("fd00:10::/32")),
    allow=(ip_network("10.1.0.0/16"), ip_network("127.0.0.5/32"), ip_network("fd00:10:96::/48")),
)


@pytest.mark.parametrize(
    ("address", "permitted"),
    [
        pytest.param("10.0.0.1", False, id="a denied range"),
        pytest.param("10.1.2.3", True, id="an exception from a denied range"),
        pytest.param("::ffff:10.0.0.1", False, id="a denied range, mapped"),
        pytest.param("::ffff:10.1.2.3", True, id="an exception, mapped"),
        pytest.param("127.0.0.5", True, id="an exception from a special range"),
        pytest.param("127.0.0.1", False, id="the rest of that special range"),
        pytest.param("fd00:10:1::1", False, id="a denied range of IPv6"),
        pytest.param("fd00:10:96::1", True, id="an exception of IPv6"),
        pytest.param("192.168.0.1", True, id="a private address that nothing denies"),
    ],
)
def test_the_rules_of_a_cluster_add_ranges_and_make_exceptions(address: str, permitted: bool) -> None:
    assert RULES.permit(ip_address(address)) is permitted


@given(v4=st.ip_addresses(v=4).map(lambda address: IPv4Address(int(address))), form=st.sampled_from(sorted(FORMS)))
def test_an_ipv4_address_that_is_refused_is_refused_in_every_form(v4: IPv4Address, form: str) -> None:
    """A name that resolves to an IPv6 address must not lead where the IPv4 address would not."""
    embedded = IPv6Address(FORMS[form](v4))
    for rules in (AddressRules(), RULES, POD_ADDRESSES):
        if not rules.permit(v4):
            assert not rules.permit(embedded)
    if special_range(v4) is not None:
        assert special_range(embedded) is not None
    assert ANY_ADDRESS.permit(embedded)
