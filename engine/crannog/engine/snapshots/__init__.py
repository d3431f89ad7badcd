"""Snapshot models: every version of each row, folded over the commits of a branch."""
