"""The registrar against a model of twenty lines, over random sequences of everything that changes bindings.

Besides the bindings it holds three promises: the answer lists what memory holds; a store that applies the
changes holds what memory holds; and what is undone never happened.
"""

from datetime import UTC, datetime, timedelta

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from trunkline.sip_parser import NameAddr, Request, Uri
from trunkline.sip_proxy.registrar import Binding, BindingChanged, Location, Registrar
from trunkline.sip_transaction import Flow

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
AOR = "alice@example.test"
FLOW = Flow("UDP", ("192.0.2.1", 5060), ("203.0.113.7", 1029))
MIN, DEFAULT, MAX, LIMIT = 60, 3600, 7200, 3

hosts = st.sampled_from(["a", "b", "c", "d", "e"])
times = st.sampled_from([None, 0, 1, 59, 60, 61, 100, 3599, 3600, 7200, 9999])
call_ids = st.sampled_from(["one", "two"])
cseqs = st.integers(1, 8)
spellings = st.sampled_from(["<sip:alice@{0}>", "<sip:%61lice@{0}>", "sip:alice@{0}", '"A" <sip:alice@{0}>'])


@attrs.define
class Modelled:
    end: int
    call_id: str
    cseq: int


def modelled_register(
    held: dict[str, Modelled],
    now: int,
    contacts: list[tuple[str, int | None]],
    header: int | None,
    call_id: str,
    cseq: int,
    evict: bool,
) -> dict[str, Modelled] | int:
    """Give the bindings afterwards, or the status of the refusal."""
    result = {host: item for host, item in held.items() if item.end > now}
    before = dict(result)
    for host, own in contacts:
        asked = DEFAULT if own is None and header is None else header if own is None else own
        if 0 < asked < MIN:
            return 423
        old = before.pop(host, None)
        if old and old.call_id == call_id and cseq <= old.cseq:
            if asked and cseq == old.cseq:
                continue
            return 500
        if asked:
            result[host] = Modelled(now + min(asked, MAX), call_id, cseq)
        else:
            result.pop(host, None)
    named = {host for host, _ in contacts}
    is_new = any(host not in held or held[host].end <= now for host in result)
    if is_new and len(result) > LIMIT:
        others = [host for host in result if host not in named]
        excess = len(result) - LIMIT
        if not evict or len(others) < excess:
            return 503
        # which of equally old ones goes is not promised, so that the caller looks at the number only
        for host in others[:excess]:
            del result[host]
    return result


class RegistrarModel(RuleBasedStateMachine):
    @initialize(evict=st.booleans())
    def begin(self, evict: bool) -> None:
        self.evict = evict
        self.seconds = 0
        self.location = Location()
        self.registrar = Registrar(
            self.location,
            token=bytes,
            min_expires=MIN,
            default_expires=DEFAULT,
            max_expires=MAX,
            max_contacts=LIMIT,
            evict_oldest=evict,
        )
        self.model: dict[str, Modelled] = {}
        self.stored: dict[str, Binding] = {}

    @property
    def at(self) -> datetime:
        return BEGIN + timedelta(seconds=self.seconds)

    def request(self, contacts: list[str], header: int | None, call_id: str, cseq: int) -> Request:
        lines = [
            ("Via", "SIP/2.0/UDP 198.51.100.5;branch=z9hG4bK1"),
            ("From", f"<sip:{AOR}>;tag=1"),
            ("To", f"<sip:{AOR}>"),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} REGISTER"),
            *[("Contact", contact) for contact in contacts],
        ]
        if header is not None:
            lines.append(("Expires", str(header)))
        return Request("REGISTER", "sip:example.test", lines)

    def store(self, changes: list[BindingChanged]) -> None:
        for change in changes:
            if change.kind in ("removed", "expired"):
                del self.stored[change.binding.contact]
            else:
                assert (change.kind == "refreshed") == (change.previous is not None)
                if change.previous is not None:
                    del self.stored[change.previous.contact]
                assert change.binding.contact not in self.stored
                self.stored[change.binding.contact] = change.binding

    @rule(
        asked=st.lists(st.tuples(hosts, times, spellings), max_size=5, unique_by=lambda one: one[0]),
        header=times,
        call_id=call_ids,
        cseq=cseqs,
        undo=st.sampled_from([False, False, False, True]),
    )
    def register(
        self,
        asked: list[tuple[str, int | None, str]],
        header: int | None,
        call_id: str,
        cseq: int,
        undo: bool,
    ) -> None:
        contacts = [
            spelling.format(host) + ("" if own is None else f";expires={own}")
            for host, own, spelling in asked
        ]
        request = self.request(contacts, header, call_id, cseq)
        done = self.registrar.register(request, AOR, FLOW, at=self.at)
        if not asked:
            assert (done.status, done.changes) == (200, [])
            self.check_answer(done.response.headers.values("Contact"))
            return
        asked_of_model = [(host, own) for host, own, _ in asked]
        expected = modelled_register(
            self.model, self.seconds, asked_of_model, header, call_id, cseq, self.evict
        )
        if isinstance(expected, int):
            assert (done.status, done.changes) == (expected, [])
            assert (done.status == 423) == ("min-expires" in done.response.headers)
            assert (done.status == 503) == ("retry-after" in done.response.headers)
            return
        assert done.status == 200
        if undo:
            expired = [change for change in done.changes if change.kind == "expired"]
            done.undo()
            self.store(expired)
            self.model = {host: item for host, item in self.model.items() if item.end > self.seconds}
            return
        self.store(done.changes)
        alive = {host_of(contact) for contact in self.stored}
        assert len(alive) == len(expected)
        self.model = {host: item for host, item in {**self.model, **expected}.items() if host in alive}
        self.model.update({host: item for host, item in expected.items() if host in alive})
        self.check_answer(done.response.headers.values("Contact"))

    def check_answer(self, values: list[str]) -> None:
        listed = {}
        for value in values:
            address = NameAddr.parse(value)
            listed[host_of(str(address.uri))] = int(address.params["expires"] or 0)
        assert listed == {
            host: item.end - self.seconds for host, item in self.model.items() if item.end > self.seconds
        }

    @rule(expires=st.sampled_from([0, 0, 0, 60, None]), call_id=call_ids, cseq=cseqs)
    def star(self, expires: int | None, call_id: str, cseq: int) -> None:
        done = self.registrar.register(self.request(["*"], expires, call_id, cseq), AOR, FLOW, at=self.at)
        alive = [item for item in self.model.values() if item.end > self.seconds]
        if expires != 0:
            assert done.status == 400
        elif any(item.call_id == call_id and cseq <= item.cseq for item in alive):
            assert done.status == 500
        else:
            assert done.status == 200
            self.store(done.changes)
            self.model = {}
            return
        assert done.changes == []

    @rule(seconds=st.sampled_from([0, 1, 59, 60, 100, 3600, 9000]))
    def wait(self, seconds: int) -> None:
        self.seconds += seconds

    @rule()
    def expire(self) -> None:
        changes = self.location.expire(self.at)
        ended = {host for host, item in self.model.items() if item.end <= self.seconds}
        assert {host_of(change.binding.contact) for change in changes} == ended
        assert all(change.kind == "expired" for change in changes)
        self.store(changes)
        self.model = {host: item for host, item in self.model.items() if host not in ended}

    @rule(host=hosts)
    def administrator_removes(self, host: str) -> None:
        for contact in [contact for contact in self.stored if host_of(contact) == host]:
            self.store(self.location.remove(AOR, contact))
            del self.model[host]

    @invariant()
    def lookup_agrees_with_the_model(self) -> None:
        found = {host_of(binding.contact): binding for binding in self.location.lookup(AOR, at=self.at)}
        assert {host: (b.expires - BEGIN.timestamp(), b.call_id, b.cseq) for host, b in found.items()} == {
            host: (item.end, item.call_id, item.cseq)
            for host, item in self.model.items()
            if item.end > self.seconds
        }

    @invariant()
    def the_store_holds_what_memory_holds(self) -> None:
        held = {binding.contact: binding for binding in self.location.get(AOR)}
        assert held == self.stored
        assert self.location.contacts() == len(held)
        assert len(self.location) == bool(held)

    @invariant()
    def what_is_held_is_filed_and_the_files_hold_little_else(self) -> None:
        held = self.location.get(AOR)
        names = [(second, aor) for second, aors in self.location._filed.items() for aor in aors]
        assert {binding.due for binding in held} <= {second for second, _ in names}
        assert len({binding.due for binding in held}) == bool(held)
        assert all(binding.due <= binding.expires + 1 for binding in held)
        assert len(names) <= 2 * len(held)
        assert sorted(self.location._filed) == sorted(self.location._seconds)


def host_of(contact: str) -> str:
    uri = Uri.parse(contact)
    return uri.host


TestRegistrarModel = RegistrarModel.TestCase
TestRegistrarModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
