"""Client-initiated connections: when instance and reg-id name a binding.

Here: the conditions of RFC 5626. Not here: flow tokens and keep-alives, which are the edge's.

Source: RFC 5626 §6.
"""

from trunkline.sip_parser import NameAddr, Request, Uri

from ._contacts import ContactRequest
from ._update import Refused

__all__ = ["outbound_applies"]


def outbound_applies(request: Request, wanted: list[ContactRequest], path: tuple[str, ...]) -> bool:
    """Decide whether a REGISTER is one of RFC 5626.

    Args:
        request: the REGISTER.
        wanted: its contacts.
        path: its Path values, topmost first.

    Returns:
        True when instance and reg-id take the place of the URI.

    Raises:
        Refused: 400 when more than one contact is to be bound with a reg-id; 439 when the first hop cannot
            keep a flow.
    """
    flows = [contact for contact in wanted if contact.reg_id is not None and contact.instance is not None]
    if not flows or "outbound" not in request.supported:
        return False
    if sum(contact.expires != 0 for contact in flows) > 1:
        raise Refused(400, "More Than One Contact With reg-id")
    if (not path and len(request.vias) == 1) or (path and _keeps_flows(path[-1])):
        return True
    raise Refused(439, "First Hop Lacks Outbound Support")


def _keeps_flows(first_hop: str) -> bool:
    uri = NameAddr.parse(first_hop).uri
    return isinstance(uri, Uri) and "ob" in uri.params
