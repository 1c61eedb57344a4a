"""How many of the wanted keys have a vector."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Coverage:
    """The result of `Vectors.coverage`.

    Attributes
    ----------
    n_found, n_wanted : int
    not_found : sequence
        The keys without a vector, in the order in which they were wanted.
    """

    n_found: int
    n_wanted: int
    not_found: Sequence[Hashable]

    @property
    def share(self) -> float:
        """Found by wanted; 1 when none was wanted."""
        return self.n_found / self.n_wanted if self.n_wanted else 1.0

    def __str__(self) -> str:
        found = f"{self.n_found:,} of {self.n_wanted:,} found ({self.share:.1%})"
        if not self.not_found:
            return found
        dots = ", ..." if len(self.not_found) > 5 else ""
        return f"{found}; not found: {', '.join(map(repr, self.not_found[:5]))}{dots}"
