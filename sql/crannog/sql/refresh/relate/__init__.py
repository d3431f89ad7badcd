"""Turns a query into the relations that it is made of."""

from crannog.sql.refresh.relate.relate import relate

__all__ = ["relate"]
