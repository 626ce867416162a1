"""Registrar: a REGISTER in, bindings and an answer out.

Here: the policy (limits, Path, Outbound) and the order of RFC 3261 §10.3. Not here: who may register what,
which the caller has settled (steps 1 to 5), nor storing, which the caller does with the changes.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import blake2s
from typing import Final

import attrs

from trunkline.sip_parser import (
    LocalProtocolError,
    RemoteProtocolError,
    Request,
)
from trunkline.sip_transaction import Flow

from ._bindings import NATED, Binding, BindingChanged, bound_as
from ._contacts import (
    MAX_CONTACT,
    ContactRequest,
    check_storable,
    delta_seconds,
    methods_of,
    read_contact,
)
from ._location import Location
from ._outbound import outbound_applies
from ._path import PathMode, read_path
from ._registration import Registration
from ._reply import contact_line, date_line, lines_of
from ._terms import MAX_CALL_ID, MAX_USER_AGENT, Terms, read_terms, traits_of
from ._update import (
    Refused,
    Slot,
    change_of,
    changes_of,
    enforce_limit,
    find_slot,
    is_repeated,
    remove_all,
)

__all__ = ["Registrar", "RegistrarStatistics"]

_HOUR: Final = 3600


@attrs.define(slots=True, eq=False)
class RegistrarStatistics:
    """Count requests since the start (group `registrar` of the classic statistics)."""

    accepted: int = 0
    rejected: int = 0


class Registrar:
    """Answer REGISTER requests and keep a Location up to date."""

    __slots__ = (
        "_default_expires",
        "_evict_oldest",
        "_extensions",
        "_location",
        "_max_contacts",
        "_max_expires",
        "_min_expires",
        "_outbound",
        "_path",
        "_retry_after",
        "_tagger",
        "_token",
        "statistics",
    )

    def __init__(
        self,
        location: Location,
        *,
        token: Callable[[int], bytes],
        default_expires: int = 3600,
        min_expires: int = 60,
        max_expires: int | None = 7200,
        max_contacts: int = 10,
        evict_oldest: bool = False,
        retry_after: int = 60,
        path: PathMode = PathMode.LAZY,
        outbound: bool = False,
    ) -> None:
        """Make a registrar.

        Args:
            location: where the bindings are kept.
            token: source of randomness for To tags, `token(n)` gives n bytes.
            default_expires: seconds granted to a contact that does not say.
            min_expires: shorter times are refused with 423.
            max_expires: longer times are cut to it; None = no bound.
            max_contacts: the most contacts of one address of record; 0 = no bound.
            evict_oldest: make room for a new contact by removing the one whose last REGISTER is the oldest,
                instead of refusing with 503.
            retry_after: seconds a client refused with 503 is told to wait.
            path: what to do with Path.
            outbound: let instance and reg-id name a binding (RFC 5626).

        Raises:
            LocalProtocolError: the times contradict each other.
        """
        longest = default_expires if max_expires is None else max_expires
        if not 0 <= min_expires <= default_expires <= longest:
            raise LocalProtocolError(
                "registrar: expected min_expires <= default_expires <= max_expires, "
                f"got {min_expires}, {default_expires}, {max_expires}"
            )
        self._location = location
        self._token = token
        self._tagger = blake2s(key=token(16), digest_size=8)
        self._default_expires = default_expires
        self._min_expires = min_expires
        self._max_expires = max_expires
        self._max_contacts = max_contacts
        self._evict_oldest = evict_oldest
        self._retry_after = retry_after
        self._path = path
        self._outbound = outbound
        self._extensions = {"path"} if path is not PathMode.OFF else set()
        if outbound:
            self._extensions.add("outbound")
        self.statistics = RegistrarStatistics()

    def register(
        self,
        request: Request,
        aor: str,
        flow: Flow,
        *,
        at: datetime,
        received: str | None = None,
        nated: bool = False,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Registration:
        """Work a REGISTER in and answer it.

        Args:
            request: the REGISTER, authenticated and authorised.
            aor: the address of record it speaks of: user@host in the one spelling the caller uses for
                lookups.
            flow: what it came by; kept with the binding when it is a connection.
            at: aware time.
            received: URI of the source to store with the bindings (`received_uri(flow)`), for a NATed phone.
            nated: set the flag `NATED` of the bindings.
            headers: further names and values, added at the end of the response.

        Returns:
            The response and the changes, which are in force at once and all or none: 200, or 400 for what is
            malformed, 420, 423, 439, 500 for a request overtaken by a later one, 503 above the contact limit.

        Raises:
            LocalProtocolError: the request is no REGISTER.
            RemoteProtocolError: not even a refusal can be made of it.

        Source: RFC 3261 §10.3, RFC 3327 §5.3, RFC 5626 §6.
        """
        if request.method != "REGISTER":
            raise LocalProtocolError(f"registrar: expected a REGISTER, got {request.method}")
        try:
            now = at.timestamp()
            binding = None
            held = self._location.get(aor)
            if len(held) <= 1:
                previous = held[0] if held else None
                binding = self._bind_one(request, aor, previous, flow, now, received, nated)
            if binding is None:
                changes, answer, by_flow = self._work_in(request, aor, held, flow, now, received, nated)
            else:
                self._location.renew(aor, previous, binding)
                changes = [change_of(previous, binding)]
        except Refused as refusal:
            return self._refuse(request, refusal.status, refusal.reason, (*refusal.headers, *headers))
        except RemoteProtocolError as error:
            return self._refuse(request, error.status_hint, None, headers)
        self.statistics.accepted += 1
        if binding is not None:
            tag, answer = self.confirmation(binding)
            if headers:
                answer += lines_of(headers)
                binding = None
            return Registration(request, 200, None, tag, answer, changes, self._location, source=binding)
        if headers:
            answer += lines_of(headers)
        tag = self._token(8).hex()
        return Registration(request, 200, None, tag, answer, changes, self._location, by_flow)

    def confirmation(self, binding: Binding) -> tuple[str, str]:
        """Say what the answer says that confirms a binding and tells of no other, the same each time.

        Args:
            binding: the `source` of a `Registration`.

        Returns:
            Its `to_tag` and `lines`.

        Source: RFC 3261 §10.3 step 8, §19.3.
        """
        tagger = self._tagger.copy()
        tagger.update(f"{binding.cseq} {binding.call_id} {binding.contact}".encode())
        now = binding.last_modified
        line = contact_line(binding, now, self._default_expires)
        return tagger.hexdigest(), f"Contact: {line}\r\n{date_line(int(now))}"

    def _refuse(
        self, request: Request, status: int, reason: str | None, headers: Iterable[tuple[str, str]]
    ) -> Registration:
        self.statistics.rejected += 1
        tag = self._token(8).hex()
        return Registration(request, status, reason, tag, lines_of(headers), [], self._location)

    def _work_in(
        self,
        request: Request,
        aor: str,
        held: tuple[Binding, ...],
        flow: Flow,
        now: float,
        received: str | None,
        nated: bool,
    ) -> tuple[list[BindingChanged], str, bool]:
        """Work a REGISTER in.

        Returns:
            The changes, what the answer says of them, and whether instance and reg-id named the binding.
        """
        headers = request.headers
        if "require" in headers:
            self._check_required(request)
        alive = held
        for binding in held:
            if binding.expires and binding.expires <= now:
                alive = tuple([binding for binding in held if not binding.expired(now)])
                break
        path = read_path(request, self._path) if "path" in headers else ()
        bound_by_flow = False
        changes: list[BindingChanged] = []
        contacts = request.contacts
        if contacts or request.contact_star:
            terms = read_terms(request, flow, path, received, nated, now)
            if contacts:
                wanted = [read_contact(address) for address in contacts]
                bound_by_flow = self._outbound and outbound_applies(request, wanted, path)
                changes, left = self._bind(aor, wanted, alive, terms, outbound=bound_by_flow)
            elif terms.expires == 0:
                changes, left = remove_all(alive, terms.call_id, terms.cseq), ()
            else:
                raise Refused(400, "Contact * Needs Expires 0")
            if alive is not held:
                changes[:0] = [BindingChanged("expired", binding) for binding in held if binding not in alive]
            if changes:
                alive = left
                self._location.replace(aor, alive)
        answer = [("Contact", contact_line(binding, now, self._default_expires)) for binding in alive]
        further: list[tuple[str, str]] = []
        if path and "path" in request.supported:
            further.extend([("Path", value) for value in path])
        if bound_by_flow:
            further.append(("Require", "outbound"))
        return changes, f"{lines_of(answer)}{date_line(int(now))}{lines_of(further)}", bound_by_flow

    def _bind_one(
        self,
        request: Request,
        aor: str,
        previous: Binding | None,
        flow: Flow,
        now: float,
        received: str | None,
        nated: bool,
    ) -> Binding | None:
        """Make the binding that nearly every REGISTER asks for: of one phone, its only contact, as before.

        Args:
            previous: the only binding of the address of record, None where there is none.

        Returns:
            What `_work_in` makes of it, which is to take whatever this gives None for.
        """
        headers = request.headers
        contacts = request.contacts
        if len(contacts) != 1 or "require" in headers or "path" in headers:
            return None
        address = contacts[0]
        contact = str(address.uri)
        call_id, cseq = request.call_id, request.cseq.number
        flags = cflags = 0
        if previous is not None:
            ends, its_call_id = previous.expires, previous.call_id
            if previous.contact != contact or (ends and ends <= now):
                return None
            if its_call_id == call_id:
                if cseq <= previous.cseq:
                    return None
                call_id = its_call_id
            # the same texts, held once
            aor, contact = previous.aor, previous.contact
            before = previous.traits
            flags, cflags = before.flags, before.cflags & ~NATED
        check_storable(call_id, MAX_CALL_ID, "Call-ID")
        check_storable(contact, MAX_CONTACT, "Contact URI")
        q, expires, instance, reg_id, methods = 1.0, None, None, None, None
        if address.params:
            wanted = read_contact(address)
            reg_id = wanted.reg_id
            if reg_id is not None and self._outbound:
                return None
            q, expires, instance, methods = wanted.q, wanted.expires, wanted.instance, wanted.methods
        asked = headers.get("expires")
        seconds = self._granted(expires, None if asked is None else delta_seconds(asked))
        if not seconds:
            return None
        if methods is None and "allow" in headers:
            methods = methods_of(headers.get("allow") or "")
        return bound_as(
            traits_of(
                q,
                (headers.get("user-agent") or "")[:MAX_USER_AGENT],
                flow.transport,
                flow.local,
                flags,
                cflags | NATED if nated else cflags,
                methods,
            ),
            aor,
            contact,
            received,
            (),
            now + seconds,
            call_id,
            cseq,
            instance,
            reg_id,
            now,
            flow if flow.connection else None,
        )

    def _bind(
        self,
        aor: str,
        contacts: list[ContactRequest],
        alive: tuple[Binding, ...],
        terms: Terms,
        *,
        outbound: bool,
    ) -> tuple[list[BindingChanged], tuple[Binding, ...]]:
        """Give what the contacts of a request change, and the bindings there are then."""
        slots = [Slot(binding, binding) for binding in alive]
        added = False
        for wanted in contacts:
            slot = find_slot(slots, wanted, outbound=outbound)
            # of two values for one contact the later one holds
            current = self._renewed(aor, wanted, None if slot is None else slot.previous, terms)
            if slot is not None:
                slot.current = current
                slot.touched = True
            elif current is not None:
                slots.append(Slot(None, current, True))
                added = True
        if added and self._max_contacts:
            limit = self._max_contacts
            enforce_limit(slots, limit, evict_oldest=self._evict_oldest, retry_after=self._retry_after)
        return changes_of(slots), tuple([slot.current for slot in slots if slot.current is not None])

    def _renewed(
        self, aor: str, wanted: ContactRequest, previous: Binding | None, terms: Terms
    ) -> Binding | None:
        """Give what a binding becomes; the same when the request was worked in before, None to remove it."""
        seconds = self._granted(wanted.expires, terms.expires)
        if previous is not None and is_repeated(previous, terms.call_id, terms.cseq, removing=not seconds):
            return previous
        return terms.bind(aor, wanted, seconds, previous) if seconds else None

    def _granted(self, expires: int | None, asked: int | None) -> int:
        """Give the seconds a contact is bound for, 0 to remove it, of what it and the request ask for."""
        if expires is None:
            expires = self._default_expires if asked is None else asked
        if 0 < expires < self._min_expires and expires < _HOUR:
            raise Refused(423, None, ("Min-Expires", str(self._min_expires)))
        longest = self._max_expires
        return expires if longest is None or expires <= longest else longest

    def _check_required(self, request: Request) -> None:
        unknown = [extension for extension in request.require if extension not in self._extensions]
        if unknown:
            named = ", ".join([extension for extension in unknown if extension.isprintable()])
            raise Refused(420, None, ("Unsupported", named))
