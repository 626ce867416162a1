"""NAT logic: finding phones behind one, and mending what they say of themselves."""

from ._addresses import is_ip, is_private, same_host
from ._fixes import fix_contact, received_uri
from ._tests import NatTest, nat_tests

__all__ = ["NatTest", "fix_contact", "is_ip", "is_private", "nat_tests", "received_uri", "same_host"]
