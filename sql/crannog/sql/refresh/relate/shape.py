"""Facts about relations that follow from their shape."""

from __future__ import annotations

import re

from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Constant,
    Distinct,
    Filter,
    Join,
    Limit,
    Project,
    Relation,
    Window,
)


def at_most_one(relation: Relation) -> bool:
    """Say whether a relation surely gives no more than one row."""
    match relation:
        case Constant():
            return relation.sql == "SELECT 1"
        case Aggregate():
            return not relation.keys and relation.sets is None
        case Limit():
            return bool(re.match(r"LIMIT [01]\b", relation.sql)) or at_most_one(relation.child)
        case Project():
            return not relation.expands and at_most_one(relation.child)
        case Filter() | Window() | Distinct():
            return at_most_one(relation.child)
        case Attach():
            return at_most_one(relation.left)
        case Join():
            return all(at_most_one(each) for each in relation.children)
        case _:
            return False
