"""One window of one sentence, as a trial for one step of skip-gram with negative sampling."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own habit)
from torch import Tensor, nn

CENTRE, COMPANY = "words", "company"


class SkipGram(nn.Module):
    """Two tables: a word as the centre of a window, and a word as the company of others.

    ``score(centre, other) = words[centre] . company[other]``, and its sigmoid is the probability that
    `other` was really seen beside `centre`, rather than drawn at random.
    """

    def __init__(self, n_words: int, embedding_dim: int) -> None:
        super().__init__()
        self.words = nn.Embedding(n_words, embedding_dim)
        self.company = nn.Embedding(n_words, embedding_dim)
        nn.init.normal_(self.words.weight, std=embedding_dim**-0.5)
        nn.init.normal_(self.company.weight, std=embedding_dim**-0.5)


def skip_gram_of(estimator: Any) -> SkipGram:
    """Return the two trained tables of a `Word2Vec`; as its vocabulary has it, keys start at row 3."""
    learned = (estimator.vectors_, estimator.context_vectors_)
    n, dim = learned[0].matrix.shape
    with torch.random.fork_rng(devices=[]):
        model = SkipGram(n + 3, dim)
    for layer, vectors in zip((model.words, model.company), learned, strict=True):
        with torch.no_grad():
            layer.weight[:3] = 0.0
            layer.weight[3:] = torch.from_numpy(vectors.matrix)
    return model


@dataclass
class WindowTrial:
    """A centre word, the words beside it, and words drawn at random that were not."""

    model: SkipGram
    centres: Tensor  # (n_pairs,) the centre, once for each pair
    others: Tensor  # (n_pairs,)
    really_seen: Tensor  # (n_pairs,) 1.0 for a neighbour, 0.0 for a word drawn at random
    _plucked: list[Tensor] = field(default_factory=list)

    @property
    def tables(self) -> Mapping[str, Tensor]:
        """Name -> table."""
        return {CENTRE: self.model.words.weight, COMPANY: self.model.company.weight}

    @property
    def ids(self) -> Mapping[str, Tensor]:
        """Name -> the row each pair looks up."""
        return {CENTRE: self.centres, COMPANY: self.others}

    def scores(self) -> Tensor:
        """The score of each pair."""
        plucked = [self.model.words(self.centres), self.model.company(self.others)]
        for rows in plucked:
            if rows.requires_grad:
                rows.retain_grad()
        self._plucked[:] = plucked
        return (plucked[0] * plucked[1]).sum(dim=1)

    def losses(self) -> Tensor:
        """The loss of each pair: -log of the probability given to what is true."""
        return F.binary_cross_entropy_with_logits(self.scores(), self.really_seen, reduction="none")

    def loss(self) -> Tensor:
        """The summed loss of the window, as word2vec takes it."""
        return self.losses().sum()

    def lookups(self) -> Mapping[str, Tensor]:
        """Name -> the rows that the last forward pass plucked."""
        return dict(zip((CENTRE, COMPANY), self._plucked, strict=True))

    def lookup_gradients(self) -> Mapping[str, Tensor]:
        """Name -> what each lookup sent back."""
        return {name: rows.grad for name, rows in self.lookups().items() if rows.grad is not None}

    def in_float64(self) -> "WindowTrial":
        """Return a copy in double precision."""
        return WindowTrial(
            copy.deepcopy(self.model).double(), self.centres, self.others, self.really_seen.double()
        )


def pairs_of_window(
    sentence: Sequence[int],
    position: int,
    *,
    window: int,
    negative: int,
    n_words: int,
    seed: int,
    first_row: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (centres, others, really_seen): each neighbour, then the words drawn at random.

    The random words are drawn evenly here; word2vec draws frequent ones more often.
    """
    centre = sentence[position]
    beside = [
        word
        for offset, word in enumerate(sentence[max(0, position - window) : position + window + 1])
        if offset != min(position, window)
    ]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(first_row, n_words, (negative * len(beside) * 4,), generator=generator).tolist()
    drawn = [word for word in drawn if word != centre and word not in beside][: negative * len(beside)]
    others = torch.tensor(beside + drawn)
    seen = torch.tensor([1.0] * len(beside) + [0.0] * len(drawn))
    return torch.full_like(others, centre), others, seen


def warm_up(trials: Iterable[WindowTrial], optimizer: torch.optim.Optimizer) -> None:
    """Take a step on each of a few other windows, so that an optimizer has something to remember."""
    for trial in trials:
        optimizer.zero_grad()
        trial.loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
