"""How many centres may be trained at once before what they tell one row adds up to a leap."""

import numpy as np
from numpy.typing import NDArray

from plectrum.kernels.pairs import cpu
from plectrum.training._pair_plan import PairPlan
from plectrum.training._pair_tables import PairTables

# CBOW's centres change more rows each than skip-gram's: blocks of 16 cost it 0.008 in word pairs (fil8).
MOST_CENTRES = {"skip-gram": cpu.BLOCK, "cbow": cpu.BLOCK // 2}
# Descent along x . y is stable while learning rate * pairs * |x|^2 / 4 < 2; the norm is training's own doing.
# Vectors of texts of 6 to 1,000 words stay small with this bound at all ordinary rates; a natural text with
# two threads has 0.4 to 1.4, and keeps whole blocks.
_MOST_PER_ROW = 2.0


def safe_block(
    tables: PairTables, counts: NDArray[np.floating], plan: PairPlan, n_threads: int
) -> tuple[int, int]:
    """Return how many centres a block may hold and how many threads may train at once.

    The centres of a block, and of the blocks that other threads are busy with, see all rows as they were
    before. In a text of a few words, or of words with the same n-grams, most of them change the same rows,
    and the sum of their changes overshoots. Both numbers fall until what meets in the busiest row, times
    the learning rate, is at most 2.

    Parameters
    ----------
    counts : float (n_keys,)
        How often each key is met in an epoch, after thinning.

    Returns
    -------
    block, n_threads : int
        From 1 to 16 (CBOW: 8), and from 1 to `n_threads`.
    """
    per_centre = plan.learning_rate * busiest_row(tables, counts, plan)
    most_centres = MOST_CENTRES[plan.architecture]
    most = _MOST_PER_ROW / per_centre if per_centre > 0 else float(most_centres * n_threads)
    n_threads = int(np.clip(most, 1, n_threads))
    return int(np.clip(most / n_threads, 1, most_centres)), n_threads


def busiest_row(tables: PairTables, counts: NDArray[np.floating], plan: PairPlan) -> float:
    """Return how many pairs of one centre, on average, change the row that is changed most."""
    share = counts / max(counts.sum(), 1)
    negatives = np.maximum(counts, 1) ** plan.ns_exponent
    as_output = share + plan.negative * negatives / negatives.sum()
    as_input = (1 + plan.negative) * _share_of_inputs(tables, share)
    n_contexts = plan.window + 1 if plan.shrink_windows else 2 * plan.window
    return float(n_contexts * max(as_output.max(initial=0), as_input.max(initial=0)))


def _share_of_inputs(tables: PairTables, share: NDArray[np.floating]) -> NDArray[np.floating]:
    """Of all changes of inputs, the share that moves each key: its own, and those of keys with like rows."""
    starts, bags = tables.bag_starts, tables.bags
    if len(starts) == 1:
        return share
    n_rows = np.diff(starts)  # at least one: a key has a row of its own
    of_row = np.bincount(bags, np.repeat(share, n_rows), len(tables.inputs))
    moved: NDArray[np.floating] = np.add.reduceat(of_row[bags], starts[:-1]) / n_rows
    return moved
