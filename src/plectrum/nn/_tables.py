"""`EmbeddingTables`: many tables, one call."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.parameter import Parameter

from plectrum.errors import ArgumentError, ArgumentTypeError, RowOutOfRangeError, UnknownKeyError
from plectrum.nn._frozen import FrozenRows, keep_frozen
from plectrum.nn._grow import grow_table
from plectrum.nn._lookup import bad_ids_error
from plectrum.nn._row_arguments import Start, row_mask, starting_rows
from plectrum.rows import look_up_each, mark_as_table
from plectrum.rows._compile import compile_looks_on, outside_graphs
from plectrum.rows._occurrences import counts_lookups, look_up_counted
from plectrum.rows._parameter import have_no_numbers, must_stay_outside

PREFIX = "table_"


class EmbeddingTables(torch.nn.Module):
    """One table per name; one call looks up a row of each and lays the rows side by side.

    ``output[b] = concatenate(tables[name][ids[b, t]] for t, name in enumerate(names))``

    Parameters
    ----------
    sizes : mapping of str to (int, int)
        For each table its name and ``(num_embeddings, embedding_dim)``. Any string is a name: ``"a.b"``,
        ``""`` and ``"weight"`` too. The order is the order of the columns of the ids and of the blocks of
        the output.
    sparse : bool
        Make the gradients sparse tensors of the rows looked up. Leave it False under
        DistributedDataParallel, which knows sparse gradients of torch's own layers only.
    init_std : float, optional
        Deviation of the normal numbers the rows start as; by default 1/sqrt(embedding_dim) of each table,
        so that a row has a length of about 1 whatever its dim. (`Embedding` keeps torch's N(0, 1).)
    device, dtype
        Where and in what numbers the tables are held.

    Notes
    -----
    Each table is one Parameter. Its name in `named_parameters` and `state_dict` is ``"table_"`` followed by
    the table's name, in which ``%`` and ``.`` (which torch uses as separator) are written ``%25`` and
    ``%2E``: ``tables["a.b"]`` is saved as ``table_a%2Eb``, and ``tables[""]`` as ``table_``.

    Examples
    --------
    >>> import torch, plectrum.nn
    >>> tables = plectrum.nn.EmbeddingTables({"store": (1115, 10), "state": (12, 6)})
    >>> tables(torch.tensor([[3, 0], [1114, 11]])).shape
    torch.Size([2, 16])
    >>> tables["state"].shape
    torch.Size([12, 6])
    >>> [name for name in tables.state_dict()]
    ['table_store', 'table_state']
    """

    def __init__(
        self,
        sizes: Mapping[str, tuple[int, int]],
        *,
        sparse: bool = False,
        init_std: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(sizes, Mapping):
            raise ArgumentTypeError(
                "`sizes` of `EmbeddingTables` must be a mapping of names to (num_embeddings, embedding_dim); "
                f"got {type(sizes).__name__}. Write {{'store': (1115, 10), 'state': (12, 6)}}."
            )
        self.names: tuple[str, ...] = tuple(sizes)
        self._keys = tuple(parameter_name(name) if isinstance(name, str) else "" for name in self.names)
        self.sparse = sparse
        self.init_std = init_std
        self._frozen: dict[str, FrozenRows] = {}
        for name in self.names:
            n_rows, dim = checked_size(name, sizes[name])
            table = Parameter(torch.empty((n_rows, dim), device=device, dtype=dtype))
            self.register_parameter(parameter_name(name), mark_as_table(table))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every table anew from a normal distribution of deviation `init_std`."""
        with torch.no_grad():
            for name in self.names:
                table = self[name]
                dim = max(table.shape[1], 1)
                table.normal_(0, dim**-0.5 if self.init_std is None else self.init_std)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the rows side by side, of shape (\\*ids.shape[:-1], embedding_dim).

        `ids` holds int32 or int64 ids, of shape (..., n_tables): column t is looked up in the t-th table. A
        bad id raises `RowOutOfRangeError`, which names the table.
        """
        if not isinstance(ids, Tensor):
            raise ArgumentTypeError(
                "`ids` of `EmbeddingTables` must be an int tensor with one column per table, shape (..., "
                f"{len(self.names)}); got {type(ids).__name__}. Stack the ids of the tables in the order of "
                "`tables.names`: torch.stack([...], dim=-1)."
            )
        if ids.dim() == 0 or ids.shape[-1] != len(self.names):
            raise ArgumentError(
                "`ids` of `EmbeddingTables` must have one column per table, shape (..., "
                f"{len(self.names)}); got shape {tuple(ids.shape)}. The columns stand in the order of "
                "`tables.names`."
            )
        parameters = self._parameters
        tables: list[Any] = [parameters[key] for key in self._keys]
        if compile_looks_on() and must_stay_outside(tables):
            return outside_graphs(self.forward)(ids)
        if torch.compiler.is_compiling():
            return look_up_each(ids, tables, sparse=self.sparse)
        if have_no_numbers(ids):
            return torch.cat([functional.embedding(ids[..., t], p) for t, p in enumerate(tables)], dim=-1)
        look_up = look_up_counted if counts_lookups(tables) else look_up_each
        try:
            return look_up(ids, tables, sparse=self.sparse)
        except (IndexError, RuntimeError) as error:
            problem = self._bad_ids_error(error, ids, tables)
            if problem is None:
                raise
            raise problem from error

    def _bad_ids_error(
        self, refusal: Exception, ids: Tensor, tables: list[Parameter]
    ) -> RowOutOfRangeError | None:
        for column, (name, table) in enumerate(zip(self.names, tables, strict=True)):
            owner = f"EmbeddingTables[{name!r}]"
            if found := bad_ids_error(refusal, owner, ids[..., column], table, column=column):
                return found
        return None

    def row_parameters(self) -> Iterator[Parameter]:
        """Yield the tables; an optimizer that knows rows asks for them by this name."""
        return (self[name] for name in self.names)

    def freeze(self, name: str, rows: Any = None) -> Self:
        """Keep these rows of a table as they are (all when None), under every optimizer; return the layer.

        `rows` are integers, or a bool tensor with one value per row; see `Embedding.freeze`.
        """
        return self._set_frozen(
            name, row_mask(f"EmbeddingTables.freeze({name!r})", rows, self[name]), frozen=True
        )

    def unfreeze(self, name: str, rows: Any = None) -> Self:
        """Let these rows of a table (all when None) train again; return the layer."""
        return self._set_frozen(
            name, row_mask(f"EmbeddingTables.unfreeze({name!r})", rows, self[name]), frozen=False
        )

    def _set_frozen(self, name: str, mask: Tensor, *, frozen: bool) -> Self:
        held = self._frozen.setdefault(name, FrozenRows(torch.zeros_like(mask))).on(mask.device)
        held.change(held.mask | mask if frozen else held.mask & ~mask)
        keep_frozen(self[name], held)
        return self

    def grow(self, name: str, n: int, *, start: Start | Tensor = "normal") -> Self:
        """Append n rows to a table, in place; return the layer. See `Embedding.grow`."""
        grow_table(self[name], starting_rows("EmbeddingTables.grow", self[name], n, start))
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        for name, frozen in self._frozen.items():
            keep_frozen(self[name], frozen)

    @property
    def embedding_dim(self) -> int:
        """Width of the output: the sum of the dims of the tables."""
        return sum(self[name].shape[1] for name in self.names)

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Name -> (num_embeddings, embedding_dim), as they are now."""
        return {name: (self[name].shape[0], self[name].shape[1]) for name in self.names}

    def split(self, output: Tensor) -> dict[str, Tensor]:
        """Return name -> that table's block of the output, a view of shape (..., dim of the table)."""
        dims = [self[name].shape[1] for name in self.names]
        return dict(zip(self.names, torch.split(output, dims, dim=-1), strict=True))

    def __getitem__(self, name: str) -> Parameter:
        """Return the table of this name: the Parameter itself, of shape (num_embeddings, embedding_dim)."""
        table = self._parameters.get(parameter_name(name)) if isinstance(name, str) else None
        if table is None:
            close = difflib.get_close_matches(str(name), self.names, n=3)
            raise UnknownKeyError(name, nearest=close, owner="`EmbeddingTables`")
        return table

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def extra_repr(self) -> str:
        """Return one line per table."""
        lines = [f"{name!r}: ({n_rows}, {dim})" for name, (n_rows, dim) in self.sizes.items()]
        return ",\n".join(lines + (["sparse=True"] if self.sparse else []))


def parameter_name(name: str) -> str:
    """Return the name of the table's Parameter: torch forbids dots in it, and the empty string."""
    return PREFIX + name.replace("%", "%25").replace(".", "%2E")


def checked_size(name: object, size: object) -> tuple[int, int]:
    """Return (num_embeddings, embedding_dim), or raise what is wrong with them."""
    if not isinstance(name, str):
        raise ArgumentTypeError(
            f"`sizes` of `EmbeddingTables` must have strings for names; got {name!r} of type "
            f"{type(name).__name__}. Use str(name)."
        )
    try:
        n_rows, dim = (int(part) for part in size)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise ArgumentTypeError(
            "`sizes` of `EmbeddingTables` must give (num_embeddings, embedding_dim) for each table; got "
            f"{size!r} for table {name!r}. Write {{{name!r}: (n_rows, dim)}}."
        ) from None
    if n_rows < 0 or dim < 0:
        raise ArgumentError(
            f"`sizes` of `EmbeddingTables` must not be negative; got ({n_rows}, {dim}) for table {name!r}. "
            f"Count the rows with `vocabulary.n_rows`."
        )
    return n_rows, dim
