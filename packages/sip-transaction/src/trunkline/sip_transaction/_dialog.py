"""Dialog: what a user agent remembers of a peer, to make and to judge the requests between them.

For our own BYEs and for phones in tests. Not here: which response or offer is right for a call, and the
proxy's watch on other people's dialogs (`trunkline.sip_proxy`).

Source: RFC 3261 §12, §13.2.2.4, §15
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

import attrs

from trunkline.sip_parser import (
    Headers,
    LocalProtocolError,
    Message,
    NameAddr,
    RemoteProtocolError,
    Request,
    Response,
    Uri,
)

DialogId = tuple[str, str | None, str | None]
"""Call-ID, local tag, remote tag."""

# Requests whose Contact replaces the remote target: RFC 3261 §12.2, RFC 3311 §4, RFC 6665 §4.4.1.
_TARGET_REFRESH: Final = frozenset({"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY"})


class DialogState(Enum):
    """A state of a dialog. Source: RFC 3261 §12.1, §12.3"""

    EARLY = "Early"
    CONFIRMED = "Confirmed"
    TERMINATED = "Terminated"


@attrs.define(slots=True, eq=False)
class Dialog:
    """Hold one dialog from one side; made by `from_uac` or `from_uas`, or from known facts."""

    call_id: str
    """The Call-ID."""
    local: str
    """Our address as From of our requests, tag included."""
    remote: str
    """The peer's address as To of our requests, tag included where it has one."""
    local_tag: str | None
    """The tag in `local`."""
    remote_tag: str | None
    """The tag in `remote`; None for a peer of RFC 2543."""
    remote_target: str
    """The URI from the peer's last Contact."""
    route_set: tuple[str, ...] = ()
    """Route values from us to the peer, the nearest hop first."""
    local_cseq: int = 0
    """Number of our last request; 0 before there is one, so that the next is 1."""
    remote_cseq: int | None = None
    """Number of the peer's last request; None before there is one."""
    state: DialogState = DialogState.CONFIRMED
    """Where the dialog stands."""
    invite_cseq: int | None = None
    """Number of our last INVITE, which its ACK repeats."""
    is_caller: bool = False
    """Whether the request that made it was ours."""
    made_by: str = "INVITE"
    """The method of that request: INVITE, SUBSCRIBE or REFER."""

    @classmethod
    def from_uac(cls, request: Request, response: Response) -> Dialog:
        """Make the dialog on the calling side, of a response with a To tag.

        A request forked gives a dialog for each To tag that comes back.

        Args: `request` as sent; `response` 101 to 299. Without a Contact the Request-URI is the target.
        Raises: LocalProtocolError for a response that makes no dialog; RemoteProtocolError for headers that
        cannot be read.
        Source: RFC 3261 §12.1.2
        """
        to_tag = response.to_tag
        if not 100 < response.status < 300 or (to_tag is None and response.status < 200):
            raise LocalProtocolError(f"a dialog needs a response 101-299 with a To tag, got {response!r}")
        contacts = response.contacts
        number = request.cseq.number
        return cls(
            request.call_id,
            request.headers.get("from") or "",
            response.headers.get("to") or "",
            request.from_tag,
            to_tag,
            str(contacts[0].uri) if contacts else request.uri,
            tuple(reversed(response.headers.values("record-route"))),
            number,
            None,
            DialogState.CONFIRMED if response.status >= 200 else DialogState.EARLY,
            number if request.method == "INVITE" else None,
            True,
            request.method,
        )

    @classmethod
    def from_uas(cls, request: Request, response: Response) -> Dialog:
        """Make the dialog on the called side, of the response we send.

        Args: `request` as received; `response` 101 to 299 with our To tag.
        Raises: LocalProtocolError for a response that makes no dialog; RemoteProtocolError when the request
        has no Contact to answer to.
        Source: RFC 3261 §12.1.1
        """
        to_tag = response.to_tag
        if not 100 < response.status < 300 or to_tag is None:
            raise LocalProtocolError(f"a dialog needs a response 101-299 with a To tag, got {response!r}")
        contacts = request.contacts
        if not contacts:
            reason = "expected a Contact, got none"
            raise RemoteProtocolError(reason, section="RFC 3261 §8.1.1.8", message=request)
        return cls(
            request.call_id,
            response.headers.get("to") or "",
            request.headers.get("from") or "",
            to_tag,
            request.from_tag,
            str(contacts[0].uri),
            tuple(request.headers.values("record-route")),
            0,
            request.cseq.number,
            DialogState.CONFIRMED if response.status >= 200 else DialogState.EARLY,
            made_by=request.method,
        )

    @property
    def id(self) -> DialogId:
        """Name the dialog, as `dialog_id` does for messages received in it. Source: RFC 3261 §12"""
        return self.call_id, self.local_tag, self.remote_tag

    @property
    def next_hop(self) -> str:
        """Give the URI the next request is sent to: the first route, or the remote target."""
        if self.route_set:
            return str(NameAddr.parse(self.route_set[0]).uri)
        return self.remote_target

    def make_request(
        self,
        method: str,
        *,
        via: str,
        contact: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Request:
        """Make our next request in the dialog; a BYE ends it.

        Args: `via` is the whole top Via with a new branch; `contact` the Contact value, which a target
        refresh needs; `headers` come after all others, Content-Type among them where there is a `body`.
        Raises: LocalProtocolError when the dialog is over, for ACK and CANCEL, and for the BYE of a callee
        who has not answered.
        Source: RFC 3261 §12.2.1.1, §15, §15.1.1
        """
        if self.state is DialogState.TERMINATED:
            raise LocalProtocolError(f"the dialog {self.call_id} is over; {method} has nowhere to go")
        if method in ("ACK", "CANCEL"):
            raise LocalProtocolError(f"{method} has no number of its own; use make_ack or the layer's cancel")
        if method == "BYE" and self.state is DialogState.EARLY and not self.is_caller:
            raise LocalProtocolError("a callee refuses a call it has not answered; BYE is for later (§15)")
        self.local_cseq += 1
        if method == "INVITE":
            self.invite_cseq = self.local_cseq
        elif method == "BYE":
            self.state = DialogState.TERMINATED
        return self._request(method, self.local_cseq, via, contact, headers, body)

    def make_ack(
        self,
        *,
        via: str,
        contact: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Request:
        """Make the ACK for the 2xx to our last INVITE; the same again for each copy of that 2xx.

        Args: `headers` hold the INVITE's credentials where it had some.
        Raises: LocalProtocolError when we have sent no INVITE.
        Source: RFC 3261 §13.2.2.4
        """
        if self.invite_cseq is None:
            raise LocalProtocolError("there is no INVITE of ours to acknowledge")
        return self._request("ACK", self.invite_cseq, via, contact, headers, body)

    def _request(
        self,
        method: str,
        cseq: int,
        via: str,
        contact: str | None,
        extra: Iterable[tuple[str, str]],
        body: bytes,
    ) -> Request:
        uri, routes = self._request_uri_and_routes()
        headers = Headers()
        headers.add("Via", via)
        headers.add("Max-Forwards", "70")
        for route in routes:
            headers.add("Route", route)
        headers.add("From", self.local)
        headers.add("To", self.remote)
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{cseq} {method}")
        if contact is not None:
            headers.add("Contact", contact)
        for name, value in extra:
            headers.add(name, value)
        return Request(method, uri, headers, body)

    def _request_uri_and_routes(self) -> tuple[str, tuple[str, ...]]:
        routes = self.route_set
        if not routes:
            return self.remote_target, ()
        first = NameAddr.parse(routes[0]).uri
        if not isinstance(first, Uri) or first.is_lr:
            return self.remote_target, routes
        # A strict router wants itself in the Request-URI and the target behind the other routes.
        params = {name: value for name, value in first.params.items() if name != "method"}
        strict = first.replace(params=params, headers=None)
        return str(strict), (*routes[1:], f"<{self.remote_target}>")

    def receive_request(self, request: Request) -> int | None:
        """Take a request of the peer, in order or not.

        Returns: the status to refuse it with (500, as it is older than one we had; 481, as the dialog is
        over), or None when it is to be served.
        Raises: RemoteProtocolError for a CSeq or Contact that cannot be read.
        Source: RFC 3261 §12.2.2, §15.1.2
        """
        method = request.method
        if method in ("ACK", "CANCEL"):
            return None
        number = request.cseq.number
        if self.remote_cseq is not None and number < self.remote_cseq:
            return 500
        if self.state is DialogState.TERMINATED:
            return 481
        contacts = request.contacts if method in _TARGET_REFRESH else []
        self.remote_cseq = number
        if contacts:
            self.remote_target = str(contacts[0].uri)
        if method == "BYE":
            self.state = DialogState.TERMINATED
        return None

    def receive_response(self, response: Response) -> None:
        """Take a response to a request of ours: confirmation, a new target, or the end.

        Raises: RemoteProtocolError for a CSeq or Contact that cannot be read.
        Source: RFC 3261 §12.2.1.2, §12.3, §13.2.2.4
        """
        status = response.status
        cseq = response.cseq
        first = self.state is DialogState.EARLY and cseq.method in ("INVITE", "SUBSCRIBE")
        if 200 <= status < 300:
            if first:
                self.state = DialogState.CONFIRMED
                self.route_set = tuple(reversed(response.headers.values("record-route")))
            if cseq.method in _TARGET_REFRESH and response.contacts:
                self.remote_target = str(response.contacts[0].uri)
        elif status in (408, 481) or (status >= 300 and first):
            self.state = DialogState.TERMINATED

    def confirm(self) -> None:
        """Note that we sent the 2xx that makes an early dialog a confirmed one. Source: RFC 3261 §13.3.1.4"""
        if self.state is DialogState.EARLY:
            self.state = DialogState.CONFIRMED

    def terminate(self) -> None:
        """Note that the dialog is over for a reason of our own."""
        self.state = DialogState.TERMINATED


def dialog_id(message: Message) -> DialogId:
    """Name the dialog that a message received belongs to.

    Raises: RemoteProtocolError when Call-ID, From or To cannot be read.
    Source: RFC 3261 §12
    """
    if isinstance(message, Request):
        return message.call_id, message.to_tag, message.from_tag
    return message.call_id, message.from_tag, message.to_tag
