"""Capabilities: what a user agent supports, and by it the inspection of each request that it receives.

Here: the refusals of §8.2.1 to §8.2.3 in their order, and the headers that tell a peer what is supported. Not
here: credentials, which come before them, and which requests are merged (`_merged`).

Source: RFC 3261 §8.2, §11.2, §12.2.2, §20.1
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

import attrs

from trunkline.sip_parser import (
    KNOWN_METHODS,
    LocalProtocolError,
    ParamValue,
    RemoteProtocolError,
    Request,
    Response,
    TelUri,
    check_message,
    make_response,
)

from ._stateless import reason_of

_Refusal = tuple[int, tuple[tuple[str, str], ...]]
"""A status, and the headers that tell the peer what would do."""

# Requests that are part of something which must be there already.
# Source: RFC 3261 §15.1.2, RFC 3262 §3, RFC 3311 §5.2, RFC 6086 §4.2.2
_WITHIN_DIALOGS: Final = frozenset({"BYE", "INFO", "PRACK", "UPDATE"})
_is_token = re.compile(r"[0-9A-Za-z\-.!%*_+`'~]+").fullmatch


def _lower(values: Iterable[str]) -> tuple[str, ...]:
    return tuple([value.lower() for value in values])


@attrs.frozen(kw_only=True)
class Capabilities:
    """Describe a user agent: what it understands of the requests it is sent.

    Methods count by case, all else does not.
    """

    methods: tuple[str, ...] = attrs.field(converter=tuple)
    """As in Allow, ACK and CANCEL among them where INVITE is."""
    extensions: tuple[str, ...] = attrs.field(default=(), converter=_lower)
    """Option tags, as in Supported."""
    content_types: tuple[str, ...] = attrs.field(default=("application/sdp",), converter=_lower)
    """Types of bodies, as in Accept, `type/subtype` without parameters. Of a multipart body only the whole is
    looked at, so name `multipart/mixed` where its parts are understood."""
    answer_types: tuple[str, ...] = attrs.field(default=("application/sdp",), converter=_lower)
    """Types of the bodies that responses to an INVITE may carry, of which the caller must accept one."""
    encodings: tuple[str, ...] = attrs.field(default=(), converter=_lower)
    """Content encodings beside `identity`, as in Accept-Encoding."""
    languages: tuple[str, ...] | None = attrs.field(default=None, converter=attrs.converters.optional(_lower))
    """Languages of bodies, as in Accept-Language: `en` is `en-US` too. None: it minds none."""
    schemes: tuple[str, ...] = attrs.field(default=("sip", "sips"), converter=_lower)
    """Schemes of Request-URIs, out of sip, sips and tel."""

    def headers(self) -> list[tuple[str, str]]:
        """Give Allow, Accept, Accept-Encoding, Accept-Language and Supported, for a 200 to OPTIONS or INVITE.

        Source: RFC 3261 §11.2, §13.2.1
        """
        supported = [("Supported", ", ".join(self.extensions))]
        return [self._allow(), self._accept(), self._accept_encoding(), *self._accept_language(), *supported]

    def inspect(
        self,
        request: Request,
        *,
        to_tag: str,
        within_dialog: bool = False,
        is_merged: bool = False,
        refusal: int | None = None,
    ) -> Response | None:
        """Judge a request, in a dialog or not, before the user agent acts on it.

        In this order: what cannot be read (400) and another version (505); the method (405 with Allow, 501
        for an unknown one); the scheme of the Request-URI (416); who is meant (`refusal`); a merged request
        (482); no such dialog or transaction (481); extensions required (420 with Unsupported); the body,
        unless it may be ignored (415 with Accept, Accept-Encoding or Accept-Language); what the caller of an
        INVITE accepts (406). Max-Forwards is for proxies. A CANCEL comes here only where it fits no INVITE.

        Args: `request` as received; `to_tag` for a To that has none; `within_dialog` whether a dialog of
        ours, or a subscription, has been found for it; `is_merged` as told by `MergedRequests`; `refusal`
        the caller's own judgement of To and Request-URI: 403, 404 or another status from 300, None where
        they are ours.
        Returns: the response to refuse it with, or None when it is to be served; None for each ACK, which
        nobody answers.
        Raises: LocalProtocolError for another `refusal`, or a tag that is none.
        Source: RFC 3261 §8.2.1, §8.2.2, §8.2.3, §9.2, §12.2.2, §21.4.7, §21.5.2
        """
        if refusal is not None and refusal < 300:
            raise LocalProtocolError(f"expected a status from 300 to refuse with, got {refusal}")
        if request.method == "ACK":
            return None
        try:
            _check_syntax(request)
            found = self._check_method(request) or self._check_scheme(request)
            if found is None and refusal is not None:
                found = refusal, ()
            found = found or _check_place(request, within_dialog, is_merged)
            for check in _CHECKS:
                found = found or check(self, request)
        except RemoteProtocolError as error:
            return make_response(request, error.status_hint, reason_of(error), to_tag=to_tag)
        return None if found is None else make_response(request, found[0], to_tag=to_tag, headers=found[1])

    def _check_method(self, request: Request) -> _Refusal | None:
        if request.method in self.methods:
            return None
        return (405, (self._allow(),)) if request.method in KNOWN_METHODS else (501, ())

    def _check_scheme(self, request: Request) -> _Refusal | None:
        uri = request.parsed_uri
        scheme = "tel" if isinstance(uri, TelUri) else uri.scheme
        return None if scheme.lower() in self.schemes else (416, ())

    def _check_extensions(self, request: Request) -> _Refusal | None:
        required = request.headers.values("require")
        for tag in required:
            if _is_token(tag) is None:
                raise RemoteProtocolError("Require: expected option tags", section="RFC 3261 §20.32")
        unknown = [tag for tag in required if tag.lower() not in self.extensions]
        return (420, (("Unsupported", ", ".join(unknown)),)) if unknown else None

    def _check_body(self, request: Request) -> _Refusal | None:
        if not request.body or _may_be_ignored(request):
            return None
        further: list[tuple[str, str]] = []
        if request.content_type not in self.content_types:
            further.append(self._accept())
        known = ("identity", *self.encodings)
        if any(encoding.lower() not in known for encoding in request.headers.values("content-encoding")):
            further.append(self._accept_encoding())
        languages = request.headers.values("content-language")
        if not all(self._speaks(language.lower()) for language in languages):
            further += self._accept_language()
        return (415, tuple(further)) if further else None

    def _check_acceptance(self, request: Request) -> _Refusal | None:
        if request.method != "INVITE" or "accept" not in request.headers or not self.answer_types:
            return None  # without the header it accepts application/sdp: §20.1
        ranges = request.accept
        return None if any(_accepts(ranges, kind) for kind in self.answer_types) else (406, ())

    def _speaks(self, language: str) -> bool:
        known = self.languages
        return known is None or any(f"{language}-".startswith(f"{prefix}-") for prefix in known)

    def _allow(self) -> tuple[str, str]:
        return "Allow", ", ".join(self.methods)

    def _accept(self) -> tuple[str, str]:
        return "Accept", ", ".join(self.content_types)

    def _accept_encoding(self) -> tuple[str, str]:
        return "Accept-Encoding", ", ".join(self.encodings) or "identity"

    def _accept_language(self) -> list[tuple[str, str]]:
        return [] if self.languages is None else [("Accept-Language", ", ".join(self.languages))]


_CHECKS: Final[tuple[Callable[[Capabilities, Request], _Refusal | None], ...]] = (
    Capabilities._check_extensions,
    Capabilities._check_body,
    Capabilities._check_acceptance,
)


def _check_syntax(request: Request) -> None:
    try:
        check_message(request)
    except RemoteProtocolError as error:
        if error.status_hint != 416:  # the scheme has its turn after the method
            raise


def _check_place(request: Request, within_dialog: bool, is_merged: bool) -> _Refusal | None:
    if request.method == "CANCEL":
        return 481, ()
    if within_dialog:
        return None
    if request.to_tag is not None or request.method in _WITHIN_DIALOGS:
        return 481, ()
    return (482, ()) if is_merged else None


def _may_be_ignored(request: Request) -> bool:
    """Tell whether the body need not be understood. Source: RFC 3261 §20.11"""
    disposition = request.content_disposition
    handling = None if disposition is None else disposition.params.get("handling")
    return handling is not None and handling.strip('"').lower() == "optional"


def _accepts(ranges: Iterable[ParamValue], kind: str) -> bool:
    """Tell whether an Accept header allows a type; the most precise of its ranges decides.

    Source: RFC 3261 §20.1, RFC 2616 §14.1
    """
    for wanted in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        found = [one.q > 0 for one in ranges if one.value.replace(" ", "").lower() == wanted]
        if found:
            return any(found)
    return False
