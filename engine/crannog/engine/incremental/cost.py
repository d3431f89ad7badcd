"""What a refresh is expected to cost beside a rebuild, before it runs."""

from __future__ import annotations

from dataclasses import dataclass

# Measured on TPC-H: reading all inputs for a few of their rows is two fifths of a rebuild.
READ = 0.4
# Recomputing some keys, and finding and replacing their rows, costs so many times their share.
RECOMPUTE = 2.5
# So do rows that came and went, and are joined with others.
PASS = 5.0
# New rows that are only added cost what they would in a rebuild.
ADD = 1.0
# Below this nobody would notice what counting the rows of inputs is to save.
FEW_CHANGES = 50_000
# Inputs of less are read in no time.
FEW_BYTES = 1 << 24
# An estimate below this is not worth a better one.
SURE = 0.5
# So many keys are looked up in the output with all columns at once.
FEW_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hold what a refresh touches, as it is estimated.

    Args:
        share: of the output's rows, or of the inputs' where these go through one by one.
        bytes_read, bytes_full: of the inputs' files, by the refresh and by a rebuild.
        weight: what a share costs, relative to a rebuild.
        read: what reading all of the inputs costs.
    """

    share: float
    bytes_read: int
    bytes_full: int
    weight: float = RECOMPUTE
    read: float = READ

    @property
    def relative(self) -> float:
        """The refresh's cost; a rebuild's is 1."""
        part = self.bytes_read / self.bytes_full if self.bytes_full else 0.0
        return self.read * part + self.weight * self.share

    def text(self) -> str:
        """Return both estimates for a person.

        >>> Estimate(0.5, 10, 10).text()
        '50.0 % of the rows are affected: a refresh is estimated at 1.65 times a rebuild'
        """
        what = f"{self.share * 100:.1f} % of the rows are affected"
        if not self.share:
            what = f"{self.bytes_read:,} of {self.bytes_full:,} bytes would be read"
        return f"{what}: a refresh is estimated at {self.relative:.2f} times a rebuild"
