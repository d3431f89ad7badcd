"""Tables that other tools write: used in place, at a version that the catalog pins."""
