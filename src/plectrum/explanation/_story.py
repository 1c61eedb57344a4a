"""The sentences of an explanation, shared by terminal and page: one record, told in ten steps."""

from dataclasses import dataclass

from plectrum.explanation._record import Explanation, RowStep, TableStep

N_NUMBERS = 6  # how many numbers of a row are shown
_ADAM = (
    "after = before - {lr:g} x (running mean of gradients) / (root of their running mean square), so that a "
    "first step moves each number by about {lr:g} whatever the size of its gradient"
)
_UPDATE = {
    "sgd": "after = before - {lr:g} x gradient",
    "adam": _ADAM,
    "adamw": _ADAM + ". Before that, every row is multiplied by 1 - {lr:g} x {weight_decay:g}, looked up or "
    "not: that is decay; a row of zeros, such as padding, has nothing to lose",
    "adagrad": "after = before - {lr:g} x gradient / (root of all its squared gradients so far)",
}


@dataclass(frozen=True)
class Story:
    """What an explanation says, sentence by sentence."""

    told: Explanation

    @property
    def names(self) -> list[str]:
        """A letter for each example of the batch."""
        return [letter(i) for i in range(len(self.told.examples))]

    def headline(self) -> str:
        """Which step, of what."""
        told = self.told
        when = (
            "the first step, from the random start"
            if told.step == "first"
            else "one step more, after training"
        )
        settings = ", ".join(f"{name} {value:g}" for name, value in told.settings.items())
        others = "windows" if told.kind == "words" else "rows"
        warm = f", after {told.warm_up} steps on other {others}" if told.warm_up else ""
        return f"{told.subject}: {when}{warm}; {told.optimizer} with {settings}"

    def follow(self) -> str:
        """Which example is kept fixed."""
        return f"Example {self.names[0]} is the one to follow; all of them make one step together."

    def reserved(self) -> str:
        """Why keys start at row 3."""
        return (
            "rows 0, 1 and 2 are kept for padding, unknown and missing; a row number means nothing but "
            "a place"
        )

    def lookups(self, row: RowStep) -> str:
        """Who looked a row up."""
        if not row.lookups:
            return "not looked up"
        *first, last = (letter(i) for i in row.lookups)
        return f"looked up by {', '.join(first)}{' and ' if first else ''}{last}"

    def other_inputs(self) -> str:
        """What happens to inputs that are numbers."""
        numbers = self.told.examples[0].numbers
        if self.told.kind == "words":
            return "There are none: a word brings nothing but its row."
        if not numbers:
            return "There are none here: every column is looked up in a table."
        listed = ", ".join(f"{name} = {value:g}" for name, value in numbers.items())
        return (
            f"{listed}: numbers are scaled and go into the network without a table. They are data, not "
            "weights: no optimizer holds them, so no step can change them. The strings do not change "
            "either; the rows they point at do."
        )

    def sum_rule(self, row: RowStep) -> str:
        """Why a row that was looked up several times gets a sum."""
        return (
            f"{row.key} occurs {len(row.lookups)} times in the batch. The loss depends on its row in each "
            "of these places, so the "
            "row's gradient is the sum of what each place sends back."
        )

    def no_other_gradient(self, table: TableStep) -> str:
        """What rows got no gradient."""
        n = table.n_rows - table.n_looked_up
        return (
            f"The other {n:,} rows met only the zeros of every one-hot row (step 4). Their gradient is zero: "
            f"the largest among them is {table.gradient_elsewhere:g}."
        )

    def update_rule(self) -> str:
        """How the optimizer moves a row."""
        return _UPDATE[self.told.optimizer].format(**self.told.settings)

    def fate(self, row: RowStep) -> str:
        """What happened to a row, and why."""
        if row.moved > 0:
            return f"moved {row.moved:.4g} (length), because of {' and '.join(row.reasons)}"
        if row.lookups:
            return "untouched: looked up, but its gradient is zero"
        return "untouched"

    def tally(self, table: TableStep) -> str:
        """How many rows of a table moved, and for what reason."""
        parts = [f"{n:,} with {reason}" for reason, n in table.n_moved_for.items() if n]
        moved = table.n_rows - table.n_untouched
        return (
            f"Table '{table.name}': {table.n_rows:,} rows; {table.n_looked_up:,} looked up, {moved:,} moved"
            f"{' (' + ', '.join(parts) + ')' if parts else ''}, {table.n_untouched:,} untouched."
        )

    def lesson(self) -> str:
        """What is always true, and what depends on the optimizer."""
        told = self.told
        extra = {t.name: t.n_rows - t.n_untouched - t.n_moved_for["gradient"] for t in told.tables}
        always = "Only rows that were looked up get a gradient: that is always true. "
        if any(extra.values()):
            why = [r for r in ("momentum", "decay") if any(table.n_moved_for[r] for table in told.tables)]
            where = ", ".join(f"{n:,} of '{name}'" for name, n in extra.items() if n)
            return f"{always}Here rows moved without one, because of {' and '.join(why)}: {where}."
        others = [name for name in ("adamw", "adam") if name != told.optimizer]
        return always + (
            "Here only they moved, too. An optimizer with momentum or decay moves others as well: try "
            f"{' or '.join('--optimizer ' + name for name in others)}, with --step trained."
        )

    def nudges(self) -> list[str]:
        """The proof of the gradient, line by line."""
        nudge = self.told.nudge
        return [
            f"Take number {nudge.position + 1} of {nudge.key}, the one with the largest gradient, move it a "
            "little both ways, and run the batch again (any other could be tried the same way):",
            f"  {nudge.size:+g}   loss {nudge.loss_up:.15f}",
            f"  {-nudge.size:+g}   loss {nudge.loss_down:.15f}",
            f"  slope = difference / {2 * nudge.size:g} = {nudge.slope:.9g}",
            f"  gradient from backpropagation   = {nudge.gradient:.9g}",
            f"They agree to {nudge.relative_difference:.1e} of their size (allowed: 1e-3).",
        ]

    def outcome(self) -> str:
        """The loss of the same batch before and after."""
        before, after = self.told.loss_before, self.told.loss_after
        word = "fell" if after < before else "rose" if after > before else "stayed"
        hint = " The step was too long: a smaller learning rate makes it fall." if after > before else ""
        return f"The loss of this batch {word} from {before:.6g} to {after:.6g}.{hint}"


def letter(i: int) -> str:
    """Return a, b, ..., z, then example 27 and so on."""
    return chr(ord("a") + i) if i < 26 else f"example {i + 1}"


def shown(numbers: list[float]) -> list[str]:
    """Return the first few numbers of a row, and a mark when there are more."""
    first = numbers[:N_NUMBERS]
    is_small = 0 < max(map(abs, first), default=0.0) < 0.05
    return [f"{x:.2e}" if is_small else f"{x:.4f}" for x in first] + (
        ["..."] if len(numbers) > len(first) else []
    )
