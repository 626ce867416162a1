"""Registrar and location service (RFC 3261 §10.3)."""

from ._bindings import NATED, Binding, BindingChanged
from ._contacts import METHOD_BITS
from ._location import Location
from ._registrar import PathMode, Registrar, RegistrarStatistics, Registration

__all__ = [
    "METHOD_BITS",
    "NATED",
    "Binding",
    "BindingChanged",
    "Location",
    "PathMode",
    "Registrar",
    "RegistrarStatistics",
    "Registration",
]
