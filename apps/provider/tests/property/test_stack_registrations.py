"""Registrations come, go, are refused and survive crashes: memory, disk and what was confirmed agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import DOMAIN, Phone, World

phones = st.integers(0, 2)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("register"), phones),
        st.tuples(st.just("leave"), phones),
        st.tuples(st.just("leave all"), phones),
        st.tuples(st.sampled_from(["commit", "commit in vain", "crash"]), st.just(0)),
    ),
    max_size=20,
)


class Household:
    """Three phones of alice's; the model is what each of them was last told."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.world = World(folder, template, auth={"challenge": False})
        self.world.committing = False
        self.phones = [Phone(self.world, "alice", (f"198.51.100.{n}", 5060)) for n in range(1, 4)]
        self.confirmed: set[str] = set()
        self.asked: list[tuple[Phone, str]] = []
        self.count = 0

    def ask(self, phone: Phone, step: str) -> None:
        contact = "*" if step == "leave all" else phone.contact
        expires = "600" if step == "register" else "0"
        self.count += 1
        headers = [("Contact", contact), ("Expires", expires), ("Call-ID", f"{phone.own}{self.count}")]
        phone.send(phone.request("REGISTER", f"sip:{DOMAIN}", to=phone.uri, headers=headers))
        self.asked.append((phone, step))
        if phone.inbox:
            self.hear()

    def hear(self) -> None:
        """Learn from the answers that have come."""
        for phone, step in list(self.asked):
            if not phone.inbox:
                continue
            self.asked.remove((phone, step))
            if phone.response().status != 200:
                continue
            if step == "leave all":
                self.confirmed.clear()
            elif step == "leave":
                self.confirmed.discard(phone.contact)
            else:
                self.confirmed.add(phone.contact)

    def commit(self, *, in_vain: bool) -> None:
        self.world.database_is_away = in_vain
        self.world.commit()
        self.hear()
        self.world.database_is_away = False
        self.world.commit()  # what undoes them

    def crash(self) -> None:
        self.world = self.world.restarted()
        self.world.committing = False
        self.asked.clear()
        for phone in self.phones:
            phone.inbox.clear()

    def check(self) -> None:
        bindings = self.world.stack.location.get(f"alice@{DOMAIN}")
        assert {f"<{binding.contact}>" for binding in bindings} == self.confirmed
        assert {f"<{contact}>" for contact in self.world.contacts()} == self.confirmed


@settings(max_examples=40, deadline=None)
@given(walk=steps)
def test_memory_and_disk_have_what_was_confirmed(
    walk: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory, template: Path
) -> None:
    house = Household(tmp_path_factory.mktemp("house"), template)
    for step, number in walk:
        if step == "crash":
            house.crash()
            house.check()
        elif step.startswith("commit"):
            house.commit(in_vain=step == "commit in vain")
            house.check()
        else:
            house.ask(house.phones[number], step)
    house.commit(in_vain=False)
    house.check()
    house.world.close()
