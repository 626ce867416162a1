"""What the tests of the composed server share: worlds, each with a database of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from simulated import World, make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with alice, bob and carol, to be copied."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def new_world(tmp_path: Path, template: Path) -> Iterator[Callable[..., World]]:
    """Make a world with the given configuration."""
    worlds: list[World] = []

    def make(**options: object) -> World:
        worlds.append(World(tmp_path, template, **options))  # type: ignore[arg-type]
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """A provider as it is without a configuration, but for its domain."""
    return new_world()
