"""Brings a model's rows up to date from the rows of its inputs that came and went."""
