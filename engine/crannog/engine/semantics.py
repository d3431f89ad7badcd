"""The settings that are part of what a model means, and the number that we raise when our rules do.

Nothing is imported here: a build with nothing to do compares these and must stay cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SEMANTICS = 1

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "Calendar": "gregorian",
        "TimeZone": "UTC",
        "default_collation": "",
        "default_null_order": "NULLS_LAST",
        "default_order": "ASC",
        "error_on_division_by_zero": "true",
        "ieee_floating_point_ops": "true",
        "integer_division": "false",
        "order_by_non_integer_literal": "false",
        "preserve_insertion_order": "true",
        "scalar_subquery_error_on_multiple_rows": "true",
    }
)
