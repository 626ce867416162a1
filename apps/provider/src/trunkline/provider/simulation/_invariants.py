"""What must hold when a run is over: nothing is left behind, both sides agree, every call is on record once.

Here: the judgement. Its tolerances are those of the protocol: a BYE that is answered ends a call between
its first transmission and its answer, one that is not is repeated for 32 seconds, and what a killed server
had not yet written down it never promised.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ._agenda import EPOCH
from ._database import Report
from ._memory import reachable
from ._phone import Phone
from ._records import NEVER, CallSeen, DialogSeen
from ._scenario import MAX_CALL
from ._server import Server
from ._world import World

SETTLING = 64 * 0.5 + 6.0
"Seconds that one side may believe in a call longer than the other: a BYE's patience and the way."
FLOW_FAILED = 430
"What a BYE gets whose phone is behind a NAT and has lost its connection (RFC 5626 §11.5)."
MOST_COPIES = 60
"How often one datagram may be sent: eleven times by its sender, and again for copies that arrive."
MOST_OBJECTS = 2500
"In a part of the server that holds no call; most of them are its tables."


def check(world: World) -> None:
    """Look at everything; what does not hold is reported to the world."""
    for server in world.servers:
        nothing_left(world.report, server)
    for phone in world.phones:
        _nothing_left_in(world, phone)
    for times, data in world.network.copies_above(MOST_COPIES):
        world.report("nothing is sent for ever", f"{times} times: {data[:120]!r}")
    for dialog in world.strays:
        world.report("no call out of nowhere", dialog.call_id)
    for call in world.calls.values():
        _agreement(world, call)
        _on_record(world, call)
    for server in world.servers:
        for call_id, from_tag in server.database.cdrs:
            seen = world.calls.get(call_id)
            if seen is None or seen.from_tag != from_tag:
                world.report("no record out of nowhere", f"{call_id} {from_tag}")


def nothing_left(report: Report, server: Server, *, bindings: bool = True) -> None:
    """See that a server has forgotten all calls.

    Args:
        report: told what is left.
        server: with all calls over.
        bindings: whether registrations must be over too.
    """
    process = server.live
    stack = process.stack
    calls, location = stack.calls, process.assembly.location
    left: dict[str, int] = {
        "server transactions": stack.layer.len_server,
        "client transactions": stack.layer.len_client,
        "transaction timers": len(stack.layer._timers),
        "branch deadlines": len(stack.core._forking.deadlines),
        "calls watched": len(calls),
        "callees watched": len(calls.watch._by_callee),
        "call limits": len(calls.watch._limits),
        "calls relayed": len(calls.relayed),
        "journal rows": len(server.database.calls),
        "writes": 0 if process.disk.is_idle else 1,
    }
    if bindings:
        left["bindings"] = location.contacts()
        left["binding rows"] = len(server.database.bindings)
    if process.media is not None and process.control is not None:
        left["relay sessions"] = len(process.media.relay)
        left["relay ports"] = process.media.total_pairs - process.media.relay.free_pairs
        left["relay sockets"] = len(process.media.open_ports)
        left["relay commands"] = len(process.control.waiting)
    for what, count in left.items():
        if count:
            report("nothing is left", f"{count} {what} at {server.address[0]}")
    for part in (stack.layer, stack.core, calls.watch):
        size = reachable(part)
        if size > MOST_OBJECTS:
            report("memory is bounded", f"{size} objects in {type(part).__name__} at {server.address[0]}")
    due = stack.next_timeout()
    if due is not None:
        report("nothing is left", f"a timer at {due:.3f} at {server.address[0]}")


def _nothing_left_in(world: World, phone: Phone) -> None:
    left = phone.layer.len_client + phone.layer.len_server + len(phone.layer._timers)
    if left:
        world.report("nothing is left", f"{left} transactions and timers in {phone.aor}")
    if not phone.calling.is_idle():
        world.report("nothing is left", f"calls in {phone.aor}")


# -- both sides agree


def _agreement(world: World, call: CallSeen) -> None:
    theirs = {dialog.local_tag: dialog for dialog in call.answers}
    for tag in call.dialogs:
        if tag not in theirs:
            world.report("both sides agree", f"{call.call_id}: an answer that nobody gave, {tag}")
    for tag, answer in theirs.items():
        mine = call.dialogs.get(tag)
        if mine is None:
            if answer.ended_at > answer.answered_at + SETTLING:
                world.report(
                    "both sides agree",
                    f"{call.call_id}: {answer.phone} talks to nobody until {answer.ended_at}",
                )
            continue
        _same_end(world, call, mine, answer)


def _same_end(world: World, call: CallSeen, mine: DialogSeen, answer: DialogSeen) -> None:
    first, last = sorted((mine, answer), key=lambda dialog: dialog.ended_at)
    lag = last.ended_at - first.ended_at
    if lag <= SETTLING or first.end == "power" or first.bye_lost or first.bye_status == 408:
        return
    servers = [world.servers[node] for node in call.nodes]
    undelivered = first.bye_status >= 500 or first.bye_status == FLOW_FAILED
    if undelivered and "TCP" in (first.transport, last.transport):
        return  # a connection broke with the BYE in it, or was the only way to who is behind a NAT
    if undelivered and any(_was_down_for_bye(server, first) for server in servers):
        return  # where there is no server, a BYE is not repeated: the network says so (RFC 3261 §18.4)
    world.report(
        "both sides agree",
        f"{call.call_id}: {first.phone} ended ({first.end}, {first.bye_status}) at {first.ended_at:.2f}, "
        f"{last.phone} ({last.end}) {lag:.1f} s later",
    )


def _was_down_for_bye(server: Server, dialog: DialogSeen) -> bool:
    return server.was_down(dialog.bye_sent_at - 1, dialog.bye_done_at + 1)


def _was_journalled(server: Server, call: CallSeen) -> bool:
    return (call.call_id, call.from_tag) in server.database.journalled


# -- records


def _on_record(world: World, call: CallSeen) -> None:
    """Look at the records of all nodes on the call's way: each keeps its own."""
    found = [world.servers[node].database.cdrs.get((call.call_id, call.from_tag), []) for node in call.nodes]
    cut = any(record["released_by"] == "server" for records in found for record in records)
    for node, records in zip(call.nodes, found, strict=True):
        _on_record_at(world, world.servers[node], call, records, cut=cut)


def _on_record_at(
    world: World, server: Server, call: CallSeen, records: list[dict[str, Any]], *, cut: bool
) -> None:
    answered = [record for record in records if record["answer_time"] is not None]
    killed = server.was_down(call.started_at - 1, call.over_at + SETTLING)

    def wrong(what: str) -> None:
        world.report("one CDR a call", f"{call.call_id} at {server.address[0]}: {what}")

    if _answered_too_late(call, records):
        del records[0]
    if len(answered) > 1 or (len(records) > 1 and not killed):
        wrong(f"{len(records)} records: {[(r['cause'], r['sip_code'], r['end_time']) for r in records]}")
        return
    if call.dialogs and not answered and (not killed or _was_journalled(server, call)):
        wrong(f"answered, and {len(records)} records of it: {[r['cause'] for r in records]}")
    if answered and not call.answers:
        wrong(f"an answer on record that nobody gave: {answered}")
    for record in records:
        if (record["caller"], record["callee"]) != (call.caller, call.callee):
            wrong(f"{record['caller']} to {record['callee']}, expected {call.caller} to {call.callee}")
    if answered and call.dialogs and call.answers:
        _right_times(world, server, call, answered[0], cut=cut)
    elif not call.dialogs and not call.answers and not killed and server is world.servers[call.nodes[0]]:
        _right_failure(world, server, call, records)


def _answered_too_late(call: CallSeen, records: list[dict[str, Any]]) -> bool:
    """Tell whether the caller was told that the call had failed, and an answer came all the same.

    That is a call with a record of its own, after the one of the call that was cancelled: by its caller, or
    by the proxy because another callee declined.
    """
    if len(records) < 2 or not call.answers or records[0]["answer_time"] is not None:
        return False
    answered = records[1]["answer_time"]
    return answered is not None and bool(answered >= records[0]["end_time"])


def _right_failure(world: World, server: Server, call: CallSeen, records: list[dict[str, Any]]) -> None:
    if call.local_final or call.power_lost or not call.final:
        return
    refused = server.was_refused(call.started_at - 6, call.final_at + 6)
    if not records:
        told = call.final in (486, 603, 408)
        told |= call.final in (480, 404) and not call.is_stranger and len(call.nodes) == 1
        if told and not refused:
            world.report("one CDR a call", f"{call.call_id}: failed with {call.final}, no record")
        return
    if records[0]["sip_code"] != str(call.final):
        world.report(
            "one CDR a call",
            f"{call.call_id}: recorded as {records[0]['sip_code']}, the caller got {call.final}",
        )


def _right_times(world: World, server: Server, call: CallSeen, record: dict[str, Any], *, cut: bool) -> None:
    def wrong(what: str) -> None:
        world.report("right length and cause", f"{call.call_id} at {server.address[0]}: {what}")

    answer, end = _seconds(record["answer_time"]), _seconds(record["end_time"])
    if abs((end - answer) * 1000 - record["duration_ms"]) > 1.5:
        wrong(f"{record['duration_ms']} ms from {answer:.3f} to {end:.3f}")
    sent = min(dialog.answered_at for dialog in call.answers)
    got = min(dialog.answered_at for dialog in call.dialogs.values())
    if not sent - 0.002 <= answer <= got + 0.002:
        wrong(f"answered at {answer:.3f}, expected {sent:.3f} to {got:.3f}")
    by, cause = record["released_by"], record["cause"]
    if by == "server":
        _ended_by_server(wrong, server, call, cause, answer, end)
        return
    if cause != "bye":
        wrong(f"ended by the {by}, cause {cause!r}")
    sides = call.dialogs.values() if by == "caller" else call.answers
    byes = [dialog for dialog in sides if dialog.bye_sent_at != NEVER]
    if not byes and cut:
        return  # the other node on the way ended it, and said so in that side's name
    if not byes:
        wrong(f"ended by the {by}, who sent no BYE")
        return
    first = min(dialog.bye_sent_at for dialog in byes)
    # the network may say that one copy of a BYE met nobody while a later one arrives
    answered = [dialog.bye_done_at if dialog.bye_status != 503 else NEVER for dialog in byes]
    last = max(min(done, dialog.bye_sent_at + SETTLING) for done, dialog in zip(answered, byes, strict=True))
    if not first - 0.002 <= end <= last + 0.002 and not cut:
        wrong(f"ended by the {by} at {end:.3f}, expected {first:.3f} to {last:.3f}")


def _ended_by_server(
    wrong: Callable[[str], None], server: Server, call: CallSeen, cause: str, answer: float, end: float
) -> None:
    longest = MAX_CALL + 1.2
    if cause == "maximum length":
        if not MAX_CALL - 0.1 <= end - answer <= longest and not server.was_down(answer, end):
            wrong(f"cut after {end - answer:.3f} s, expected {MAX_CALL}")
    elif cause == "server restart":
        if not any(down <= call.over_at + 200 and end <= down for down, _ in server.downs):
            wrong(f"ended by a restart at {end:.3f}, killed at {server.downs}")
    elif cause not in ("media timeout", "session timer"):
        wrong(f"ended by the server, cause {cause!r}")
    elif not answer - 0.002 <= end <= answer + longest and not server.was_down(answer, end):
        wrong(f"ended at {end:.3f}, expected after the answer at {answer:.3f}, and not by {longest} s")


def _seconds(text: str) -> float:
    return (datetime.fromisoformat(text) - EPOCH.replace(tzinfo=None)).total_seconds()
