"""What a section of the configuration is made of: keys with the words of their error messages."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from trunkline.provider.config._values import split_list

_Item = TypeVar("_Item")
ListOf = Annotated[list[_Item], BeforeValidator(split_list)]


def section_field(default: Any, *, expected: str, write: str, description: str, **limits: Any) -> Any:
    """Declare a key; `expected` and `write` are the words of its error message."""
    return Field(
        default, description=description, json_schema_extra={"expected": expected, "write": write}, **limits
    )


class Section(BaseModel):
    """What all sections have in common: no unknown keys, and values that do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, str_strip_whitespace=True)
