"""Mending what a phone behind a NAT says of itself.

Here: its Contact, and the URI it can be reached at. Not here: Via, which the transaction layer mends for all
(RFC 3581), nor SDP, which is the media relay's.
"""

from trunkline.sip_parser import Message, NameAddr, Uri
from trunkline.sip_transaction import Flow

__all__ = ["fix_contact", "received_uri"]


def fix_contact(message: Message, flow: Flow) -> bool:
    """Put the source address and port in place of the host and port of every Contact.

    User, URI parameters, display name and header parameters stay; contacts that are no SIP URI stay as they
    are. Only for messages that build dialogs: in a REGISTER the phone must find its own Contact in the
    answer.

    Args:
        message: changed in place.
        flow: what it came by.

    Returns:
        Whether anything was changed.

    Raises:
        RemoteProtocolError: Contact is malformed.

    Source: RFC 3261 §8.1.1.8, §12.1.1 (what a Contact is for).
    """
    contacts = message.contacts
    fixed = [_at_source(contact, flow.remote) for contact in contacts]
    if fixed == contacts:
        return False
    message.headers.set("contact", ", ".join([str(contact) for contact in fixed]))
    return True


def received_uri(flow: Flow) -> str:
    """Write where a message came from as a URI: `sip:203.0.113.7:1029;transport=udp`.

    Source: column `received` of table `location`.
    """
    host, port = flow.remote
    if ":" in host:
        host = f"[{host}]"
    return f"sip:{host}:{port};transport={flow.transport.lower()}"


def _at_source(contact: NameAddr, source: tuple[str, int]) -> NameAddr:
    uri = contact.uri
    host, port = source
    if not isinstance(uri, Uri) or (uri.host == host and uri.port == port):
        return contact
    # a maddr would send the request elsewhere all the same
    params = {name: value for name, value in uri.params.items() if name != "maddr"}
    return contact.replace(uri=uri.replace(host=host, port=port, params=params))
