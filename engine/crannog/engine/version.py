"""The version of this program, as a constant, since reading package metadata is slow."""

VERSION = "0.1.0"
