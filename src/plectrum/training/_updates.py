"""How many updates each row of each table received: the number of batches in which it occurred."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch

_MAX_FLAGS = 1 << 26  # bytes of working memory: one flag for each (batch, row)


class UpdateCounter:
    """Counts, for every row of every table, the batches that held it, and so gave it a gradient.

    Parameters
    ----------
    n_rows : sequence of int
        The number of rows of each table, in the order of the columns of the ids.

    Notes
    -----
    An epoch is counted at once: one write of a byte for each id and one sum over ``n_batches * n_rows`` bytes
    a table, in pieces of 64 MiB at most.

    Examples
    --------
    >>> counter = UpdateCounter([4])
    >>> counter.count(torch.tensor([[3], [3], [1], [3]]), edges=[0, 2, 4])
    >>> counter.counts[0].tolist()
    [0, 1, 0, 2]
    """

    def __init__(self, n_rows: Sequence[int]) -> None:
        self.counts = [torch.zeros(n, dtype=torch.int64) for n in n_rows]

    def count(self, ids: torch.Tensor, *, edges: Sequence[int]) -> None:
        """Add the batches of one epoch: `ids` (n, n_tables), batch i being rows ``edges[i]:edges[i + 1]``."""
        for table, counts in enumerate(self.counts):
            n_rows = len(counts)
            per_piece = max(1, _MAX_FLAGS // max(1, n_rows))
            for first in range(0, len(edges) - 1, per_piece):
                piece = edges[first : first + per_piece + 1]
                sizes = torch.tensor([end - start for start, end in itertools.pairwise(piece)])
                batch = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
                flags = torch.zeros(len(sizes) * n_rows, dtype=torch.uint8)
                flags[batch * n_rows + ids[piece[0] : piece[-1], table]] = 1
                counts.add_(flags.view(len(sizes), n_rows).sum(0, dtype=torch.int64))

    def state_dict(self) -> dict[str, Any]:
        """Return the counts so far."""
        return {"counts": list(self.counts)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.counts = list(state["counts"])
