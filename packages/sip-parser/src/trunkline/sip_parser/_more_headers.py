"""What a proxy or a user agent asks of messages now and then, by header: the less usual typed attributes.

The usual ones (Via, From, To, Contact, ...) are in `_message`, how each is read is in `_typed`.

Source: the section named in each
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ._address import NameAddr
from ._fields import ParamValue, RetryAfter, WarningValue
from ._via import CSeq


class MoreHeaders:
    """Typed attributes of headers that few messages have; each may raise RemoteProtocolError."""

    __slots__ = ()

    def _optional(self, key: str) -> Any:
        raise NotImplementedError

    def _all(self, key: str) -> list[Any]:
        raise NotImplementedError

    @property
    def unsupported(self) -> list[str]:
        """Option tags the peer refused for, lower case. Source: RFC 3261 §20.40"""
        return self._all("unsupported")

    @property
    def allow_events(self) -> list[str]:
        """Event packages the peer allows, as spelled. Source: RFC 6665 §8.2.2"""
        return self._all("allow-events")

    @property
    def paths(self) -> list[NameAddr]:
        """Every Path, topmost first. Source: RFC 3327 §4"""
        return self._all("path")

    @property
    def service_routes(self) -> list[NameAddr]:
        """Every Service-Route, in order. Source: RFC 3608 §5"""
        return self._all("service-route")

    @property
    def asserted_identities(self) -> list[NameAddr]:
        """Every P-Asserted-Identity. Source: RFC 3325 §9.1"""
        return self._all("p-asserted-identity")

    @property
    def preferred_identities(self) -> list[NameAddr]:
        """Every P-Preferred-Identity. Source: RFC 3325 §9.2"""
        return self._all("p-preferred-identity")

    @property
    def diversions(self) -> list[NameAddr]:
        """Every Diversion, the latest first. Source: RFC 5806 §4"""
        return self._all("diversion")

    @property
    def history(self) -> list[NameAddr]:
        """Every History-Info, in order; `index` is a parameter. Source: RFC 7044 §5"""
        return self._all("history-info")

    @property
    def reasons(self) -> list[ParamValue]:
        """Every Reason: the protocol, and `cause` and `text`. Source: RFC 3326 §2"""
        return self._all("reason")

    @property
    def accept(self) -> list[ParamValue]:
        """Every Accept, with its `q`. Source: RFC 3261 §20.1"""
        return self._all("accept")

    @property
    def privacy(self) -> list[str]:
        """Kinds of privacy asked for, lower case. Source: RFC 3323 §4.2"""
        return self._all("privacy")

    @property
    def warnings(self) -> list[WarningValue]:
        """Every Warning. Source: RFC 3261 §20.43"""
        return self._all("warning")

    @property
    def call_info(self) -> list[ParamValue]:
        """Every Call-Info: a URI in brackets and its `purpose`. Source: RFC 3261 §20.9"""
        return self._all("call-info")

    @property
    def alert_info(self) -> list[ParamValue]:
        """Every Alert-Info: a URI in brackets. Source: RFC 3261 §20.4"""
        return self._all("alert-info")

    @property
    def content_disposition(self) -> ParamValue | None:
        """What the body is for, and `handling`; None when absent. Source: RFC 3261 §20.11"""
        value: ParamValue | None = self._optional("content-disposition")
        return value

    @property
    def max_breadth(self) -> int | None:
        """Branches this request may still have at once; None when absent. Source: RFC 5393 §5.3.3"""
        value: int | None = self._optional("max-breadth")
        return value

    @property
    def flow_timer(self) -> int | None:
        """Seconds without a keep-alive after which the edge gives a flow up; None when absent.

        Source: RFC 5626 §10.3
        """
        value: int | None = self._optional("flow-timer")
        return value

    @property
    def join(self) -> ParamValue | None:
        """A Call-ID, `to-tag` and `from-tag`; None when absent. Source: RFC 3911 §7.1"""
        value: ParamValue | None = self._optional("join")
        return value

    @property
    def target_dialog(self) -> ParamValue | None:
        """A Call-ID, `local-tag` and `remote-tag`; None when absent. Source: RFC 4538 §7"""
        value: ParamValue | None = self._optional("target-dialog")
        return value

    @property
    def refer_to(self) -> NameAddr | None:
        """The Refer-To header; None when absent. Source: RFC 3515 §2.1"""
        value: NameAddr | None = self._optional("refer-to")
        return value

    @property
    def referred_by(self) -> NameAddr | None:
        """The Referred-By header; None when absent. Source: RFC 3892 §3"""
        value: NameAddr | None = self._optional("referred-by")
        return value

    @property
    def reply_to(self) -> NameAddr | None:
        """The Reply-To header; None when absent. Source: RFC 3261 §20.31"""
        value: NameAddr | None = self._optional("reply-to")
        return value

    @property
    def event(self) -> ParamValue | None:
        """The event package and its `id`; None when absent. Source: RFC 6665 §8.2.1"""
        value: ParamValue | None = self._optional("event")
        return value

    @property
    def subscription_state(self) -> ParamValue | None:
        """The state, `expires`, `reason`; None when absent. Source: RFC 6665 §8.2.3"""
        value: ParamValue | None = self._optional("subscription-state")
        return value

    @property
    def replaces(self) -> ParamValue | None:
        """A Call-ID, `to-tag` and `from-tag`; None when absent. Source: RFC 3891 §6.1"""
        value: ParamValue | None = self._optional("replaces")
        return value

    @property
    def session_expires(self) -> ParamValue | None:
        """Seconds as text, and `refresher`; None when absent. Source: RFC 4028 §4"""
        value: ParamValue | None = self._optional("session-expires")
        return value

    @property
    def min_se(self) -> int | None:
        """The Min-SE header in seconds; None when absent. Source: RFC 4028 §5"""
        value: int | None = self._optional("min-se")
        return value

    @property
    def rseq(self) -> int | None:
        """The number of a reliable provisional response; None when absent. Source: RFC 3262 §7.1"""
        value: int | None = self._optional("rseq")
        return value

    @property
    def rack(self) -> tuple[int, CSeq] | None:
        """The RSeq and CSeq that a PRACK acknowledges; None when absent. Source: RFC 3262 §7.2"""
        value: tuple[int, CSeq] | None = self._optional("rack")
        return value

    @property
    def retry_after(self) -> RetryAfter | None:
        """The Retry-After header; None when absent. Source: RFC 3261 §20.33"""
        value: RetryAfter | None = self._optional("retry-after")
        return value

    @property
    def date(self) -> datetime | None:
        """The Date header, aware, in UTC; None when absent. Source: RFC 3261 §20.17"""
        value: datetime | None = self._optional("date")
        return value
