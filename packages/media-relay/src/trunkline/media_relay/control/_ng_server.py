"""The relay's side of the NG protocol: datagrams in, effects of the relay and one `Reply` out.

What belongs here is what the commands mean. Strategy: a reply is kept for ten seconds under its cookie, so a
retransmitted request changes nothing and gets the same answer; and it is the last effect of a request, after
every `OpenPort`, so that it is not sent while a port is not there.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

import attrs

from trunkline.media_relay._errors import RemoteProtocolError
from trunkline.media_relay.session import (
    Address,
    BranchDeleted,
    Dropped,
    Effect,
    Refused,
    Relay,
    Reply,
    SdpReady,
    SessionDeleted,
    SessionTimedOut,
)

from ._ng_message import NgMessage, parse_ng
from ._ng_options import media_options, normalized, strings, text
from ._ng_report import ng_report

COOKIE_SECONDS = 10.0
LIST_LIMIT = 32
TIMEOUT_NOTICE = "timeout notice"
"""What a controller writes into `supports` to be sent a `timeout` message when a session is given up."""


@attrs.frozen
class NgController:
    """Who drives a session: where notices go, and in which coding."""

    address: Address
    is_json: bool
    wants_notices: bool


@attrs.define(eq=False)
class _Request:
    message: NgMessage
    fields: dict[str, Any]
    source: Address
    now: float
    at: datetime | None

    @property
    def supports(self) -> set[str]:
        return set(strings(self.fields.get("supports"), "supports"))


class NgServer:
    """A relay driven by NG datagrams.

    Source: the ng control protocol of rtpengine (commands ping, offer, answer, delete, query, list)
    """

    def __init__(self, relay: Relay) -> None:
        """Drive a relay.

        Args:
            relay: may be driven by other protocols beside.
        """
        self._relay = relay
        self._replies: dict[tuple[Address, bytes], bytes] = {}
        self._expiry: deque[tuple[float, tuple[Address, bytes]]] = deque()
        self._opening: _Request | None = None
        self._notices = 0
        self._commands: dict[str, Callable[[_Request], list[Effect]]] = {
            "ping": self._ping,
            "offer": self._offer,
            "answer": self._answer,
            "delete": self._delete,
            "query": self._query,
            "list": self._list,
        }

    def receive(
        self, datagram: bytes, source: Address, *, now: float, at: datetime | None = None
    ) -> list[Effect]:
        """Take in a datagram.

        Args:
            datagram: as received.
            source: who sent it.
            now: seconds.
            at: the wall clock, aware; `query` and `delete` tell times by it.
        Returns: `OpenPort` and `ClosePort` in the order in which to do them, and last the `Reply`; `Dropped`
            when there is no cookie to reply to. Never raises for what came in.
        """
        self._forget_replies(now)
        try:
            message = parse_ng(datagram)
        except RemoteProtocolError as error:
            cookie = datagram.partition(b" ")[0]
            if not error.offset:
                return [Dropped(error.reason, source)]
            fields = {"result": "error", "error-reason": error.reason}
            return [Reply(NgMessage(cookie, fields).to_bytes(), source)]
        known = self._replies.get((source, message.cookie))
        if known is not None:
            return [Reply(known, source)]
        request = _Request(message, {}, source, now, at)
        try:
            request.fields = normalized(message.fields)
            command = text(request.fields, "command")
            handler = self._commands.get(command)
            if handler is None:
                return self._error(request, "Unrecognized command")
            return handler(request)
        except RemoteProtocolError as error:
            return self._error(request, error.reason)

    def port_failed(self, port: int, *, now: float) -> list[Effect]:
        """Take another port for one that could not be bound.

        Args:
            port: the port of the `OpenPort`.
            now: seconds.
        Returns: what is to be done instead of the effects that followed that `OpenPort`: other ports to open
            and the reply that names them, or in the end a reply that refuses.
        Raises: LocalProtocolError when that port is none the last offer asked for.
        """
        effects = self._relay.port_failed(port, now=now)
        return self._answered(self._opening, effects) if self._opening is not None else effects

    def session_timed_out(self, effect: SessionTimedOut) -> list[Effect]:
        """Tell the controller that asked for it that a session was given up.

        Args:
            effect: from `Relay.handle_timeout`.
        Returns: a `Reply` with the message `timeout`, or nothing.
        """
        controller = effect.controller
        if not isinstance(controller, NgController) or not controller.wants_notices:
            return []
        self._notices += 1
        fields = {
            "command": "timeout",
            "call-id": effect.call_id,
            "tags": list(effect.tags),
            "reason": effect.reason.value,
        }
        message = NgMessage(b"notice_%d" % self._notices, fields, controller.is_json)
        return [Reply(message.to_bytes(), controller.address)]

    def _ping(self, request: _Request) -> list[Effect]:
        return self._reply(request, {"result": "pong"})

    def _offer(self, request: _Request) -> list[Effect]:
        call_id, from_tag, sdp = self._call(request)
        fields = request.fields
        effects = self._relay.offer(
            call_id,
            from_tag,
            sdp,
            now=request.now,
            to_tag=text(fields, "to-tag"),
            via_branch=text(fields, "via-branch"),
            options=media_options(fields, _protocols(sdp)),
            controller=_controller(request),
        )
        self._opening = request
        return self._answered(request, effects)

    def _answer(self, request: _Request) -> list[Effect]:
        call_id, from_tag, sdp = self._call(request)
        fields = request.fields
        effects = self._relay.answer(
            call_id,
            from_tag,
            text(fields, "to-tag"),
            sdp,
            now=request.now,
            via_branch=text(fields, "via-branch"),
            options=media_options(fields, ()),
            controller=_controller(request),
        )
        return self._answered(request, effects)

    def _delete(self, request: _Request) -> list[Effect]:
        fields = request.fields
        call_id = _required(fields, "call-id")
        effects = self._relay.delete(
            call_id,
            text(fields, "from-tag"),
            text(fields, "to-tag"),
            now=request.now,
            via_branch=text(fields, "via-branch"),
        )
        last = effects.pop() if effects else None
        if isinstance(last, SessionDeleted):
            report = ng_report(last.report, now=request.now, at=request.at)
            return effects + self._reply(request, {"result": "ok", **report})
        if isinstance(last, BranchDeleted):
            return effects + self._reply(request, {"result": "ok"})
        reason = "Call-ID not found or tags didn't match"
        if "fatal" in fields["flags"]:
            return self._error(request, reason)
        return self._reply(request, {"result": "ok", "warning": reason})

    def _query(self, request: _Request) -> list[Effect]:
        report = self._relay.query(_required(request.fields, "call-id"))
        if report is None:
            return self._error(request, "Unknown call-id")
        return self._reply(request, {"result": "ok", **ng_report(report, now=request.now, at=request.at)})

    def _list(self, request: _Request) -> list[Effect]:
        limit = request.fields.get("limit", LIST_LIMIT)
        if not isinstance(limit, int) or limit <= 0:
            return self._error(request, "invalid limit, must be an integer greater than 0")
        return self._reply(request, {"result": "ok", "calls": self._relay.call_ids()[:limit]})

    def _call(self, request: _Request) -> tuple[str, str, bytes]:
        sdp = request.fields.get("sdp")
        if not isinstance(sdp, bytes) or not sdp:
            raise RemoteProtocolError("No SDP body in message", 400, "NG")
        return _required(request.fields, "call-id"), _required(request.fields, "from-tag"), sdp

    def _answered(self, request: _Request, effects: list[Effect]) -> list[Effect]:
        """Turn the relay's last effect into the reply."""
        last = effects.pop()
        if isinstance(last, SdpReady):
            fields: dict[str, Any] = {"result": "ok", "sdp": last.sdp}
            if last.warnings:
                fields["warning"] = "; ".join(last.warnings)
            return effects + self._reply(request, fields)
        assert isinstance(last, Refused)
        if last.overloaded and "load limit" in request.supports:
            return effects + self._reply(request, {"result": "load limit", "message": last.reason})
        reason = "Unknown call-id" if last.unknown and request.fields["command"] != "offer" else last.reason
        return effects + self._error(request, reason)

    def _error(self, request: _Request, reason: str) -> list[Effect]:
        return self._reply(request, {"result": "error", "error-reason": reason})

    def _reply(self, request: _Request, fields: dict[str, Any]) -> list[Effect]:
        message = NgMessage(request.message.cookie, fields, request.message.is_json)
        data, key = message.to_bytes(), (request.source, request.message.cookie)
        if key not in self._replies:
            self._expiry.append((request.now + COOKIE_SECONDS, key))
        self._replies[key] = data
        return [Reply(data, request.source)]

    def _forget_replies(self, now: float) -> None:
        while self._expiry and self._expiry[0][0] <= now:
            del self._replies[self._expiry.popleft()[1]]


def _required(fields: dict[str, Any], key: str) -> str:
    value = text(fields, key)
    if not value:
        raise RemoteProtocolError(f"No {key} in message", 400, "NG")
    return value


def _controller(request: _Request) -> NgController:
    return NgController(request.source, request.message.is_json, TIMEOUT_NOTICE in request.supports)


def _protocols(sdp: bytes) -> list[str]:
    """Give the transport protocols of a description, as far as it can be read."""
    words = [line.split() for line in sdp.decode("latin-1").splitlines() if line.startswith("m=")]
    return [line[2] for line in words if len(line) > 2]
