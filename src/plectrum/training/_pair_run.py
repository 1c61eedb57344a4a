"""One epoch of pair training: pieces of the text, the threads that take them, and all chance by place."""

import math
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plectrum.kernels._threads import run_in_threads
from plectrum.kernels.pairs import cpu
from plectrum.training._pair_block import safe_block
from plectrum.training._pair_plan import PairPlan
from plectrum.training._pair_report import PairReporter
from plectrum.training._pair_tables import PairTables

PIECE = 1 << 14  # tokens that a thread takes at once
_N_PARTS = 2  # of the rows, in deterministic training: that many threads can work at once; more cost speed
_PIECES_PER_ROUND = 4
_MIN_PIECES = 64  # the learning rate falls in at least so many steps an epoch, if the text is long enough
_MIN_PIECE = 256
_WORD = (1 << 64) - 1
_THIN, _DRAW = 1, 2

Piece = tuple[NDArray[np.int32], int, int]


def key_of(*numbers: int) -> np.uint64:
    """Return 64 bits that depend on all the numbers (SplitMix64's output function, folded)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & _WORD
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _WORD
        state ^= state >> 31
    return np.uint64(state)


def keep_chances(counts: NDArray[np.int64], sample: float) -> NDArray[np.float32]:
    """Return the chance that each key survives thinning: (sqrt(f / t) + 1) t / f, at most 1 (word2vec.c).

    t is `sample`, but no less than the share of an average key: among few keys all are frequent, and thinning
    them all would leave nothing to learn from.
    """
    if sample <= 0 or counts.sum() == 0:
        return np.ones(len(counts), np.float32)
    threshold = max(sample, 1 / len(counts))
    ratio = np.maximum(counts, 1) / (threshold * counts.sum())
    return np.minimum(1.0, (np.sqrt(ratio) + 1.0) / ratio).astype(np.float32)


@dataclass(slots=True)
class _Negatives:
    """Alias tables of the negatives, for each part of the rows."""

    chance: NDArray[np.float32]
    other: NDArray[np.int32]
    starts: NDArray[np.int64]
    mass: NDArray[np.float32]

    @classmethod
    def of(cls, counts: NDArray[np.int64], exponent: float, n_parts: int) -> "_Negatives":
        weights = np.maximum(counts, 1).astype(np.float64) ** exponent
        tables = [cpu.alias_table(weights[part::n_parts].copy()) for part in range(n_parts)]
        return cls(
            np.concatenate([chance for chance, _ in tables]),
            np.concatenate([other for _, other in tables]),
            np.cumsum([0, *(len(chance) for chance, _ in tables)]),
            np.array([weights[p::n_parts].sum() for p in range(n_parts)], np.float32)
            / np.float32(weights.sum()),
        )


class PairRun:
    """What the threads of a training share."""

    def __init__(
        self,
        tables: PairTables,
        tokens: NDArray[np.int32],
        counts: NDArray[np.int64],
        plan: PairPlan,
        *,
        seed: int,
        deterministic: bool,
        n_threads: int,
    ) -> None:
        self._tables, self._tokens, self._plan, self._seed = tables, tokens, plan, seed
        self._keep = keep_chances(counts, plan.sample)
        self._n_parts = _N_PARTS if deterministic and _can_be_parted(tables, plan) else 1
        n_at_once = 1 if deterministic else n_threads  # the parts of a deterministic training share no row
        self._block, self._n_threads = safe_block(tables, counts * self._keep, plan, n_at_once)
        if self._n_parts > 1:
            self._n_threads = n_threads
        self._negatives = _Negatives.of(counts, plan.ns_exponent, self._n_parts) if plan.negative else None
        self._paths = cpu.huffman_paths(tables.tree_counts) if plan.hierarchical_softmax else None
        self._longest_bag = tables.longest_bag
        self._flat = tables.inputs.reshape(-1), tables.outputs.reshape(-1), tables.nodes.reshape(-1)
        n = len(tokens)
        size = PIECE * (_PIECES_PER_ROUND if self._n_parts > 1 else 1)
        self._size = max(_MIN_PIECE, min(size, n // _MIN_PIECES))
        self._n_pieces = max(1, -(-n // self._size))
        self._lock = threading.Lock()
        self._loss, self._n_pairs, self._n_done = 0.0, 0, 0

    @property
    def loss(self) -> float:
        """The mean loss per pair of this epoch so far, estimated from a sixteenth of the pairs."""
        return self._loss / self._n_pairs if self._n_pairs else float("nan")

    @property
    def diverged(self) -> bool:
        """Whether this epoch's numbers left the finite ones."""
        return self._n_pairs > 0 and not math.isfinite(self._loss)

    def learning_rate(self, epoch: int, share: float) -> float:
        """Return the learning rate when `share` of an epoch is done."""
        plan = self._plan
        done = (epoch + share) / plan.epochs
        return plan.learning_rate + (plan.min_learning_rate - plan.learning_rate) * done

    def train_epoch(self, epoch: int, report: PairReporter) -> None:
        """Go through the text once."""
        self._loss, self._n_pairs, self._n_done = 0.0, 0, 0
        caller = threading.get_ident()

        def train(index: int) -> None:
            self._train_piece(epoch, index)
            if threading.get_ident() == caller:
                report.tell(epoch, self._n_done / self._n_pieces, self.loss, self._rate(epoch, index))

        if self._n_parts > 1:
            for index in range(self._n_pieces):
                self._train_in_parts(epoch, index)
                report.tell(epoch, self._n_done / self._n_pieces, self.loss, self._rate(epoch, index))
        else:
            pieces = [(index,) for index in range(self._n_pieces)]
            run_in_threads(train, pieces, self._n_threads)

    def _rate(self, epoch: int, index: int) -> float:
        return self.learning_rate(epoch, index / self._n_pieces)

    def _thinned(self, epoch: int, index: int) -> Piece:
        start, window = index * self._size, self._plan.window
        stop = min(start + self._size, len(self._tokens))
        out = np.empty(stop - start + 2 * window + 2, np.int32)
        key = key_of(self._seed, _THIN, epoch)
        n, first, last = cpu.thin(self._tokens, start, stop, self._keep, key, window, out)
        return out[:n], first, last

    def _train_piece(self, epoch: int, index: int) -> None:
        piece = self._thinned(epoch, index)
        key = key_of(self._seed, _DRAW, epoch, index)
        rate = np.float32(self._rate(epoch, index))
        if self._plan.negative:
            self._add(*self._by_negatives(piece, rate, key, 0, 0))
        if self._paths is not None:
            self._add(*self._by_tree(piece, rate, key))
        with self._lock:
            self._n_done += 1

    def _train_in_parts(self, epoch: int, index: int) -> None:
        """As many rounds as parts; in each, every part of the inputs meets another part of the outputs."""
        piece = self._thinned(epoch, index)
        key = key_of(self._seed, _DRAW, epoch, index)
        rate = np.float32(self._rate(epoch, index))
        for turn in range(_N_PARTS):
            meetings = [(piece, rate, key, part, (part + turn) % _N_PARTS) for part in range(_N_PARTS)]
            for loss, n_pairs in run_in_threads(self._by_negatives, meetings, self._n_threads):
                self._add(loss, n_pairs)
        self._n_done += 1

    def _add(self, loss: float, n_pairs: int) -> None:
        with self._lock:
            self._loss += loss
            self._n_pairs += n_pairs

    def _by_negatives(
        self, piece: Piece, rate: np.float32, key: np.uint64, in_part: int, out_part: int
    ) -> tuple[float, int]:
        plan, tables, negatives = self._plan, self._tables, self._negatives
        assert negatives is not None  # negative > 0
        common = (
            *self._flat[:2], tables.bag_starts, tables.bags, self._longest_bag, tables.frozen, *piece,
            plan.window, plan.shrink_windows, negatives.chance, negatives.other,
        )  # fmt: skip
        if plan.architecture == "cbow":
            return cpu.cbow(*common, plan.negative, plan.n_shared, self._block, rate, key)
        return cpu.skip_gram(
            *common, negatives.starts, negatives.mass, plan.negative, plan.n_shared // self._n_parts,
            self._block, rate, key, in_part, out_part, self._n_parts,
        )  # fmt: skip

    def _by_tree(self, piece: Piece, rate: np.float32, key: np.uint64) -> tuple[float, int]:
        plan, tables = self._plan, self._tables
        inputs, _, nodes = self._flat
        assert self._paths is not None  # hierarchical softmax
        return cpu.hierarchical_softmax(
            inputs, nodes, tables.bag_starts, tables.bags, self._longest_bag, tables.frozen, *piece,
            plan.window, plan.shrink_windows, *self._paths, plan.architecture == "cbow", rate, key,
        )  # fmt: skip


def _can_be_parted(tables: PairTables, plan: PairPlan) -> bool:
    """Whether each pair touches one input row and one output row only, and there are rows for every part."""
    return (
        plan.architecture == "skip-gram"
        and not plan.hierarchical_softmax
        and len(tables.bag_starts) == 1
        and len(tables.outputs) >= 16 * _N_PARTS
    )
