"""Registrar and location service (RFC 3261 §10.3)."""

from ._bindings import NATED, Binding, BindingChanged
from ._contacts import METHOD_BITS
from ._location import Location
from ._path import PathMode
from ._registrar import Registrar, RegistrarStatistics
from ._registration import Registration

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
