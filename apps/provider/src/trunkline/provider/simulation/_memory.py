"""Memory: how many objects something keeps alive, to see that calls which are over are forgotten."""

from __future__ import annotations

import gc
import types
from typing import Any

_CODE = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.CodeType,
)
"A bound method is code too: what it belongs to is the affair of whoever made it."


def reachable(root: Any) -> int:
    """Count the objects that are reached from one, code left out."""
    seen, waiting, count = {id(root)}, [root], 0
    while waiting:
        count += 1
        for found in gc.get_referents(waiting.pop()):
            if id(found) not in seen and not isinstance(found, _CODE):
                seen.add(id(found))
                waiting.append(found)
    return count
