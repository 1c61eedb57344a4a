"""`RowParameter`: a table that a plectrum optimizer has adopted.

It is the same Parameter object as before, of another class, so that torch asks `__torch_function__` before it
does anything with it. A lookup brings the rows it reads up to date and asks autograd for a gradient of
rows; any other use first brings all rows up to date; what reads no number passes through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.parameter import Parameter

from plectrum.errors import ArgumentTypeError
from plectrum.rows._bags import bags_of, pool
from plectrum.rows._compile import callback, compile_looks_on, outside_graphs
from plectrum.rows._gradient import may_be_rows, write_out
from plectrum.rows._ledger import Ledger
from plectrum.rows._lookup import look_up_one
from plectrum.rows._occurrences import note_lookup
from plectrum.rows._place import place_of


def _names_of_metadata() -> set[Callable[..., Any]]:
    getters = (
        *("shape", "grad", "dtype", "requires_grad", "is_leaf", "device", "layout", "grad_fn", "ndim"),
        *("is_sparse", "is_cuda", "is_cpu", "is_meta", "is_quantized", "is_mkldnn", "is_xpu", "is_mps"),
        *("itemsize", "nbytes", "names", "retains_grad", "output_nr", "_version", "_backward_hooks"),
        *("_post_accumulate_grad_hooks", "is_nested", "name", "grad_dtype", "is_vulkan", "is_ipu", "is_xla"),
        *("is_maia", "is_mtia", "is_ort", "is_sparse_csr", "_base"),
    )
    methods = (
        *("size", "dim", "numel", "stride", "storage_offset", "element_size", "is_contiguous", "__len__"),
        *("get_device", "is_floating_point", "is_complex", "is_signed", "__hash__", "nelement", "ndimension"),
        *(
            "register_hook",
            "register_post_accumulate_grad_hook",
            "requires_grad_",
            "is_inference",
            "is_shared",
        ),
        *("retain_grad", "has_names", "dim_order", "_is_view", "is_neg", "is_conj", "is_same_size"),
    )
    free: set[Callable[..., Any]] = set()
    for name in getters:
        attribute = getattr(Tensor, name, None)
        if hasattr(attribute, "__get__"):
            free.add(attribute.__get__)  # type: ignore[union-attr]
    for attribute in (Tensor.__dict__.get("grad") or getattr(Tensor, "grad", None), Tensor.requires_grad):
        free |= {getattr(attribute, name) for name in ("__set__", "__delete__") if hasattr(attribute, name)}
    free |= {getattr(Tensor, name) for name in methods if hasattr(Tensor, name)}
    free |= {torch.is_floating_point, torch.is_complex, torch.numel, torch.is_signed, torch.is_same_size}
    return free


_FREE = _names_of_metadata()
_GET_GRADIENT = Tensor.grad.__get__  # type: ignore[union-attr]
_OF_GRADIENT = {getattr(Tensor.grad, name) for name in ("__get__", "__set__", "__delete__")}


class RowParameter(Parameter):
    """A Parameter whose rows an optimizer updates one by one; made by `adopt`, never by hand.

    Notes
    -----
    Not seen, because torch does not ask the Parameter: its memory, read through a tensor that was taken from
    it before the last step (an old ``weight.detach()``), through TorchScript, through `torch.utils.dlpack`,
    or where the Parameter itself is what `torch.func.grad` or `torch.vmap` goes over. Call
    ``optimizer.catch_up()`` before, or hand them the ``weight.detach()`` of the moment. And what is done to
    ``weight.grad.data`` is lost, as with any sparse gradient of torch's: change ``weight.grad`` itself.

    Where rows can be behind `torch.compile` reads them between its graphs, so that ``fullgraph=True`` refuses
    them; compile a `copy.deepcopy` of the model for evaluation, which belongs to no optimizer.

    Examples
    --------
    >>> import torch
    >>> import plectrum.optim
    >>> layer = torch.nn.Embedding(1000, 8)
    >>> optimizer = plectrum.optim.AdamW(layer, dense_below=0)
    >>> layer(torch.tensor([3, 3, 7])).sum().backward()
    >>> layer.weight.grad.is_sparse, layer.weight.grad._indices()
    (True, tensor([[3, 3, 7]]))
    """

    _ledger: Ledger

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run `func` on numbers that are up to date."""
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            lookup = _LOOKUPS.get(func)
            if lookup is not None:
                return lookup(*args, **kwargs)
            if func in _FREE:
                if func in _OF_GRADIENT:
                    settle = outside_graphs(_settle_gradient) if compile_looks_on() else _settle_gradient
                    settle(func, *args)
                return func(*args, **kwargs)
            for value in (*args, *kwargs.values()):
                _bring_up_to_date(value)
            return func(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """Return a plain Parameter with the numbers of this moment: the copy belongs to no optimizer."""
        if id(self) in memo:
            return memo[id(self)]
        with torch._C.DisableTorchFunctionSubclass():
            self._ledger.catch_up_all(self)
            copy = Parameter(self.detach().clone(), self.requires_grad)
        memo[id(self)] = copy
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle as a plain Parameter with the numbers of this moment."""
        with torch._C.DisableTorchFunctionSubclass():
            self._ledger.catch_up_all(self)
            return Parameter(self.detach(), self.requires_grad).__reduce_ex__(protocol)  # type: ignore[no-untyped-call]


def must_stay_outside(tables: Iterable[object]) -> bool:
    """Return True when no graph may hold how one of these is read: its rows fall behind, or are counted."""
    return any(
        isinstance(table, RowParameter)
        and (table._ledger.series is not None or table._ledger.occurred is not None)
        for table in tables
    )


def _settle_gradient(func: Callable[..., Any], parameter: RowParameter, *values: Any) -> None:
    """Write out the gradient that is about to be read, forget the one that is about to be replaced."""
    waiting, occurred = parameter._ledger.waiting, parameter._ledger.occurred
    if occurred and func != _GET_GRADIENT and (not values or values[0] is None):
        occurred.clear()
    if waiting:
        if func == _GET_GRADIENT:
            write_out(parameter, waiting)
        else:
            waiting.clear()


def _catch_up_all(table: RowParameter) -> None:
    """Bring all rows up to date, which is no part of what `torch.jit.trace` may be taking down."""
    if compile_looks_on():
        if must_stay_outside([table]):
            outside_graphs(table._ledger.catch_up_all)(table)
        return
    tracing = torch._C._get_tracing_state()
    if tracing is None:
        table._ledger.catch_up_all(table)
        return
    torch._C._set_tracing_state(None)  # type: ignore[attr-defined]
    try:
        table._ledger.catch_up_all(table)
    finally:
        torch._C._set_tracing_state(tracing)  # type: ignore[attr-defined]


def have_no_numbers(ids: object) -> bool:
    """Return True for ids that stand for others: under `torch.vmap` and `torch.jit.trace`.

    Not to be asked while `torch.compile` looks on: every call counts where caches are cold.
    """
    if not isinstance(ids, Tensor):
        return False
    return torch._C._functorch.is_functorch_wrapped_tensor(ids) or torch._C._get_tracing_state() is not None


def _bring_up_to_date(value: object) -> None:
    if isinstance(value, RowParameter):
        _catch_up_all(value)
    elif isinstance(value, list | tuple):
        for part in value:
            _bring_up_to_date(part)


def _embedding(  # noqa: PLR0917
    input: Tensor,  # noqa: A002 (torch's names)
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    is_traced = torch.compiler.is_compiling()
    # the first half is only quicker than the second
    if (is_traced or callback() is not None) and compile_looks_on() and must_stay_outside([weight]):
        options = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        return outside_graphs(_embedding)(input, weight, *options)
    if not is_traced and have_no_numbers(input):
        _bring_up_to_date(weight)
        return functional.embedding(
            input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
        )
    found = _look_up(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, is_traced)
    if not is_traced and isinstance(weight, RowParameter) and weight._ledger.occurred is not None:
        note_lookup(found, input, weight._ledger, padding_idx, weight.shape[0])
    return found


def _look_up(  # noqa: PLR0917
    ids: Tensor,
    weight: Tensor,
    padding_idx: int | None,
    max_norm: float | None,
    norm_type: float,
    scale_grad_by_freq: bool,
    sparse: bool,
    is_traced: bool,
) -> Tensor:
    is_rows = may_be_rows(sparse)
    if padding_idx is None and max_norm is None and not scale_grad_by_freq and is_rows:
        found = look_up_one(ids, weight) if isinstance(weight, RowParameter) and not is_traced else None
        if found is not None:
            return found
        _bring_ids_up_to_date(weight, ids)
        return torch.embedding(weight, ids, -1, False, True)  # as torch's function calls it
    _bring_ids_up_to_date(weight, ids)
    if not is_rows:
        return functional.embedding(ids, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)
    if scale_grad_by_freq:  # torch has no gradient of rows for it
        found = functional.embedding(ids, weight, padding_idx, max_norm, norm_type, sparse=True)
        return _scale_by_frequency(found, ids)
    return functional.embedding(ids, weight, padding_idx, max_norm, norm_type, sparse=True)


def _scale_by_frequency(found: Tensor, ids: Tensor) -> Tensor:
    """Return `found`, whose gradient will be divided by how often its id occurs."""
    if not found.requires_grad:
        return found
    _, which, counts = torch.unique(ids, return_inverse=True, return_counts=True)
    kind = torch.promote_types(found.dtype, torch.float32)
    share = counts.to(kind).reciprocal()[which].to(found.dtype).unsqueeze(-1)
    return found.detach() + (found - found.detach()) * share


def _bring_ids_up_to_date(weight: object, ids: object) -> None:
    if not isinstance(weight, RowParameter):
        return
    ledger = weight._ledger
    if ledger.series is None:
        ledger.check(weight)
    elif isinstance(ids, Tensor) and not ids.is_floating_point():
        ledger.catch_up(weight, ids)
    else:
        ledger.catch_up_all(weight)


def _embedding_bag(input: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # noqa: A002
    names = ("offsets", "max_norm", "norm_type", "scale_grad_by_freq", "mode", "sparse")
    kwargs |= dict(
        zip((*names, "per_sample_weights", "include_last_offset", "padding_idx"), args, strict=False)
    )
    # torch 0.4's order of arguments
    if isinstance(weight, Tensor) and not weight.is_floating_point():
        input, weight = weight, input  # noqa: A001
    is_traced = torch.compiler.is_compiling()
    # the first half is only quicker than the second
    if (is_traced or callback() is not None) and compile_looks_on() and must_stay_outside([weight]):
        return outside_graphs(_embedding_bag)(input, weight, **kwargs)
    if not is_traced and have_no_numbers(input):
        _bring_up_to_date(weight)
        return functional.embedding_bag(input, weight, **kwargs)
    pooled = _pool(input, weight, kwargs, is_traced)
    if not is_traced and isinstance(weight, RowParameter) and weight._ledger.occurred is not None:
        note_lookup(pooled, input, weight._ledger, kwargs.get("padding_idx"), weight.shape[0])
    return pooled


def _pool(ids: Tensor, weight: Tensor, options: dict[str, Any], is_traced: bool) -> Tensor:
    _bring_ids_up_to_date(weight, ids)
    if not may_be_rows(options.get("sparse", False)):
        return functional.embedding_bag(ids, weight, **options)
    if isinstance(weight, RowParameter) and not is_traced:
        place = weight._ledger.place = place_of(weight, weight._ledger.place)
        bags = bags_of(ids, options, place)
        if bags is not None:
            return pool(weight, bags)
    has_row_gradient = options.get("mode", "mean") != "max" and not options.get("scale_grad_by_freq")
    return functional.embedding_bag(ids, weight, **{**options, "sparse": has_row_gradient})


_LOOKUPS: dict[Callable[..., Any], Callable[..., Tensor]] = {
    functional.embedding: _embedding,
    functional.embedding_bag: _embedding_bag,
}


def look_up_rows(ids: Any, weight: Tensor, *options: Any) -> Tensor:
    """Return what `functional.embedding` would, sparing torch the search for who answers where it is plain.

    The search takes as long as the lookup of some hundred rows.
    """
    if not _is_plain(ids, weight):
        return functional.embedding(ids, weight, *options)
    with torch._C.DisableTorchFunctionSubclass():
        return _embedding(ids, weight, *options)


def pool_rows(ids: Any, weight: Tensor, *options: Any) -> Tensor:
    """Return what `functional.embedding_bag` would; see `look_up_rows`."""
    if not _is_plain(ids, weight):
        return functional.embedding_bag(ids, weight, *options)
    with torch._C.DisableTorchFunctionSubclass():
        return _embedding_bag(ids, weight, *options)


def _is_plain(ids: object, weight: Tensor) -> bool:
    return (
        type(ids) is Tensor and isinstance(weight, RowParameter) and not torch._C._len_torch_function_stack()
    )


def adopt(parameter: Parameter, ledger: Ledger) -> RowParameter:
    """Make the parameter a `RowParameter`, in place, whose rows `ledger` accounts for.

    Raises
    ------
    ArgumentTypeError
        It is not a plain Parameter of two dimensions.
    """
    if not isinstance(parameter, RowParameter):
        if type(parameter) is not Parameter or parameter.dim() != 2:
            raise ArgumentTypeError(
                "`table` of `adopt` must be a torch.nn.Parameter of shape (n_rows, embedding_dim); got "
                f"{type(parameter).__name__} of shape {tuple(parameter.shape)}. Train it with an "
                "optimizer of torch's."
            )
        parameter.__class__ = RowParameter
    else:
        release(parameter)
        parameter.__class__ = RowParameter
    parameter._ledger = ledger  # type: ignore[attr-defined]
    return parameter  # type: ignore[return-value]


def release(parameter: Parameter) -> None:
    """Make an adopted parameter a plain one again, in place, all rows up to date."""
    if isinstance(parameter, RowParameter):
        with torch._C.DisableTorchFunctionSubclass():
            parameter._ledger.catch_up_all(parameter)
            parameter.__class__ = Parameter  # type: ignore[assignment]
            del parameter._ledger


def ledger_of(parameter: Parameter) -> Ledger | None:
    """Return the ledger of an adopted parameter, None for any other."""
    return parameter.__dict__.get("_ledger") if isinstance(parameter, RowParameter) else None
