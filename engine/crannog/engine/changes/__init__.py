"""What differs between two states: of the lake, of a table, row by row."""
