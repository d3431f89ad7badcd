"""Pieces of the SQL that finds affected values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crannog.sql.refresh.relate.canonical import sql
from crannog.sql.refresh.relation import Expr
from crannog.sql.refresh.restricting import Reads


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold a SELECT over tables of earlier steps and over places that it reads."""

    text: str
    reads: Reads = frozenset()


def select(targets: Mapping[str, Expr], source: Piece) -> Piece:
    """Return expressions over the columns of a piece, under their names."""
    listed = ", ".join(f"{sql(value)} AS {name}" for name, value in targets.items())
    return Piece(f"SELECT {listed} FROM ({source.text})", source.reads)


def union(pieces: Iterable[Piece | None]) -> Piece | None:
    """Return the rows of all pieces, whose columns are the same; None if there are none."""
    found = [piece for piece in pieces if piece is not None]
    if not found:
        return None
    reads = frozenset(read for piece in found for read in piece.reads)
    return Piece(" UNION ALL ".join(piece.text for piece in found), reads)
