"""The record of one explained step: what the terminal, the JSON and the page are three renderings of."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class RowStep:
    """What the step did to one row of a table.

    ``lookups`` are the numbers of the examples that looked the row up, ``lookup_gradients`` the gradient
    that each of them sent back, and ``gradient`` what the table got: their sum. ``reasons`` say why the row
    moved.
    """

    key: str
    row: int
    lookups: list[int]
    before: list[float]
    lookup_gradients: list[list[float]]
    gradient: list[float]
    after: list[float]
    moved: float
    reasons: list[str]


@dataclass(frozen=True)
class TableStep:
    """What the step did to one table.

    ``product`` is one-hot times table for the first lookup, ``rows`` holds the rows that were looked up, and
    then a few that were not. The counts speak of the whole table. ``lookup_difference`` is the largest
    difference between the rows looked up and one-hot times table, ``sum_difference`` that between a row's
    gradient and the sum over its lookups, ``gradient_elsewhere`` the largest gradient of a row that was not
    looked up.
    """

    name: str
    n_rows: int
    embedding_dim: int
    ids: list[int]
    rows: list[RowStep]
    product: list[float]
    n_looked_up: int
    n_untouched: int
    n_moved_for: dict[str, int]
    lookup_difference: float
    sum_difference: float
    gradient_elsewhere: float


@dataclass(frozen=True)
class Nudge:
    """The proof that a gradient is right: move one number a little both ways, and compare the slope.

    ``loss_up`` and ``loss_down`` are the batch's losses with that number moved by ``+size`` and ``-size``.
    """

    table: str
    key: str
    position: int
    size: float
    loss_up: float
    loss_down: float
    slope: float
    gradient: float
    relative_difference: float


@dataclass(frozen=True)
class Example:
    """One example of the batch: its cells in words, the rows it looked up, its numbers, its loss."""

    cells: dict[str, str]
    rows: dict[str, int]
    numbers: dict[str, float]
    target: str
    prediction: str
    loss: float


@dataclass(frozen=True)
class Explanation:
    """One training step, explained; it prints, becomes JSON or a page.

    Attributes
    ----------
    kind : str
        ``"columns"`` or ``"words"``.
    subject, loss_name, step, optimizer : str
        What was trained, the loss, which step was taken (``"first"`` or ``"trained"``), and by which
        optimizer.
    settings : dict
        The optimizer's numbers, such as its learning rate.
    warm_up : int
        How many steps on other rows came before, so that there is momentum to see.
    focus : str
        The table on which the explanation looks closely.
    examples : list of Example
        The batch; the first is the one kept fixed all the way.
    tables : list of TableStep
        What happened to each table, the focus first.
    nudge : Nudge
        The proof of the gradient.
    loss_before, loss_after : float
        The loss of this batch before and after the step.
    """

    kind: str
    subject: str
    target: str
    loss_name: str
    step: str
    optimizer: str
    settings: dict[str, float]
    warm_up: int
    focus: str
    examples: list[Example]
    tables: list[TableStep]
    nudge: Nudge
    loss_before: float
    loss_after: float
    notes: list[str] = field(default_factory=list)

    @property
    def table(self) -> TableStep:
        """The table in focus."""
        return self.tables[0]

    def with_target(self, name: str) -> "Explanation":
        """Return the same record with the name of the target."""
        return replace(self, target=name)

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return asdict(self)

    def to_html(self) -> str:
        """Return the record as a page of its own, which opens from disk without a network."""
        from plectrum.explanation._page import render_page

        return render_page(self)

    def __str__(self) -> str:
        from plectrum.explanation._terminal import render_text

        return render_text(self)

    def _repr_html_(self) -> str:
        from plectrum.explanation._page import render_fragment

        return render_fragment(self)
