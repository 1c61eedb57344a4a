"""How plectrum compiles its CPU kernels: machine code kept in a cache, and a word about the one long wait."""

import gc
import hashlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import _dynfunc  # type: ignore[attr-defined]
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.compiler import Compiler, DefaultPassBuilder
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager
from numba.core.dispatcher import _FunctionCompiler  # type: ignore[attr-defined]
from numba.core.typed_passes import InlineOverloads, NopythonRewrites
from numba.core.untyped_passes import InlineClosureLikes

from plectrum.kernels import _beside

_SOURCES = Path(__file__).parents[1]
_config: Any = numba.config
# for a literal Numba compiles parts once more
ZERO, ONE, YES, NO = np.int64(0), np.int64(1), np.bool_(True), np.bool_(False)
_PART: dict[str, Any] = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def _digest_of_sources() -> str:
    """Return a hash of all kernels' sources: Numba itself looks only at the file of the function."""
    digest = hashlib.sha256()
    for path in sorted(_SOURCES.glob("*/*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _Notice:
    """Says once a process that kernels are being compiled, lest the wait look like a hang."""

    given = False

    @classmethod
    def give(cls, kept_in: str | None) -> None:
        if cls.given:
            return
        cls.given = True
        where = f"kept for next time in {kept_in}" if kept_in else "not kept: no cache folder can be written"
        sys.stderr.write(f"plectrum: compiling its kernels for this machine, a few seconds, once ({where})\n")
        sys.stderr.flush()


class _Cache(FunctionCache):
    """Numba's cache, which here never turns into an error and speaks when it has to compile."""

    _sources = _digest_of_sources()
    when_missing: Callable[[], None] | None = None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # a damaged file: compile again
            found = None
        if found is None:
            _Notice.give(str(self.cache_path))
            if self.when_missing is not None:
                self.when_missing()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:  # a full or read-only disk only costs the cache
            warnings.warn(
                f"plectrum could not keep its compiled kernels in {self.cache_path} ({error.strerror}); "
                "they will be compiled again by the next process.",
                RuntimeWarning,
                stacklevel=2,
            )

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        # not what a closure holds: functions of Numba's have another number in every process
        return (sig, codegen.magic_tuple(), self._py_func.__qualname__, self._sources)


class _NoCache:
    """Stands where no folder can be written: compiles in every process, and says so."""

    cache_path = None

    def load_overload(self, *_: Any) -> None:
        _Notice.give(None)

    def save_overload(self, *_: Any) -> None:
        pass

    def enable(self) -> None:
        pass

    def disable(self) -> None:
        pass

    def flush(self) -> None:
        pass


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles with Numba: no interpreter lock, cached where possible.

    Use it for the entry points, and `inlined` or `called` for what only they call. `options` go to
    ``numba.njit``; ``nogil=True`` is set.

    Examples
    --------
    >>> import numpy as np
    >>> from plectrum.kernels.native._cpu_compile import compiled
    >>> @compiled()
    ... def double(x):
    ...     return x + x
    >>> double(np.ones(2))
    array([2., 2.])
    """

    def decorate(function: Callable[..., Any]) -> Any:
        kernel = numba.njit(nogil=True, **options)(function)
        kernel._cache = _cache_of(kernel.py_func)
        return kernel

    return decorate


class _Pipeline(Compiler):
    """The passes of Numba, but not those that look for what no kernel has: closures, sums of whole arrays."""

    left_out = (InlineClosureLikes, InlineOverloads, NopythonRewrites)

    def define_pipelines(self) -> list[PassManager]:
        usual, pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state), PassManager("kernels")
        pipeline.passes.extend(step for step in usual.passes if step[0] not in self.left_out)
        pipeline.finalize()
        return [pipeline]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let Python not look for garbage: it would go a thousand times through all that Numba keeps."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _unoptimised() -> Iterator[None]:
    """Let Numba hand LLVM's language on as it writes it."""
    with global_compiler_lock:
        usual, _config.OPT = _config.OPT, _config._OptLevel(0)
        try:
            yield
        finally:
            _config.OPT = usual


class _PartCompiler(_FunctionCompiler):
    """Compiles a part of a kernel as far as LLVM's language; whatever calls it is optimised as a whole.

    Numba would optimise each part and make machine code of it, which nobody runs: half of the wait of a first
    call. It would do harm, too, for the code generator rewrites what it is given: an address that is a sum
    of numbers may become an offset from a pointer made of the smaller one, such as a counter that starts at
    zero. A kernel that is optimised after this is taken to go through the null pointer, and loses whatever
    comes after.
    """

    def _customize_flags(self, flags: Any) -> Any:
        flags.no_compile = True
        return flags

    def _compile_core(self, args: Any, return_type: Any) -> Any:
        with _unoptimised():
            part = super()._compile_core(args, return_type)
        library = part.library
        library._optimize_final_module = lambda: None
        library._finalize_final_module = lambda: setattr(library, "_finalized", True)
        library.finalize()
        stand_in = _dynfunc.make_function(
            *(part.fndesc.lookup_module(), part.fndesc.qualname, "part of a kernel", 0),
            *(part.environment, (library,)),
        )
        self.targetdescr.target_context.insert_user_function(stand_in, part.fndesc, [library])
        return part._replace(entry_point=stand_in)


def _part(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    def decorate(function: Callable[..., Any]) -> Any:
        part: Any = numba.njit(**_PART, **options)(function)
        plain = part._compiler
        part._compiler = _PartCompiler(
            function, plain.targetdescr, plain.targetoptions, plain.locals, _Pipeline
        )
        return part

    return decorate


# For the parts of a kernel: they cannot be called from Python, and an exception of theirs must be a constant.
# Numbers that a kernel knows are known to its inlined parts too; parts that are seldom needed are `called`,
# and stand in it once.
inlined = _part(forceinline=True)
called = _part()


def _cache_of(function: Callable[..., Any]) -> _Cache | _NoCache:
    try:
        return _Cache(function)
    except (RuntimeError, OSError):  # Numba found no folder that can be written
        return _NoCache()


class compiled_body:  # noqa: N801 (a decorator)
    """A function of one int64, the address of its arguments, as machine code that any thread can call.

    It may raise nothing: nobody could hear it. Compiled at the first look at `address`, cached as `compiled`
    does.

    Examples
    --------
    >>> from array import array
    >>> import numba
    >>> from plectrum.kernels._team import run_in_team
    >>> from plectrum.kernels.native._cpu_compile import compiled_body
    >>> from plectrum.kernels.native._cpu_memory import int64_at
    >>> @compiled_body
    ... def double(arguments):
    ...     numbers = numba.carray(int64_at(arguments), (1,))
    ...     numbers[0] *= 2
    >>> numbers = array("q", [21])
    >>> run_in_team(double, numbers, n_threads=1)
    >>> numbers[0]
    42
    """

    def __init__(self, function: Callable[[int], None]) -> None:
        self.function = function

    @cached_property
    def address(self) -> int:
        """Where the machine code begins."""
        signature = ((numba.types.int64,), numba.types.void)
        options = {"nopython": True, "nogil": True, "error_model": "numpy"}  # dividing by 0 raises nothing
        code: Any = CFunc(self.function, signature, locals={}, options=options, pipeline_class=_Pipeline)
        code._cache = _cache_of(self.function)
        if isinstance(code._cache, _Cache):  # else neither process would find what the other has compiled
            _beside.wait_or_compile_others(self)
            code._cache.when_missing = lambda: _beside.start_beside(self)
        with _uncollected():
            code.compile()
        self._code = code  # the machine code lives as long as this
        return int(code.address)
