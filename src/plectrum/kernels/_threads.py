"""A small pool of threads for kernels that release the interpreter lock.

Numba's own threading layers and torch's OpenMP do not share workers, and each spins while it waits. Here
kernels are plain functions that release the lock; the caller works too, the other threads sleep on a queue.
"""

import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any


class _Job:
    """One call that several threads share: each takes the next arguments until none are left."""

    def __init__(self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> None:
        self.function, self.arguments = function, arguments
        self.turns = iter(range(len(arguments)))  # next() on it is atomic under the interpreter lock
        self.results: list[Any] = [None] * len(arguments)
        self.finished: SimpleQueue[BaseException | None] = SimpleQueue()

    def work(self) -> BaseException | None:
        try:
            for i in self.turns:
                self.results[i] = self.function(*self.arguments[i])
        except BaseException as error:  # handed to the caller, who raises it
            return error
        return None


class _Pool:
    """Threads that sleep until there is a job; there are never more than have been asked for at once."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[_Job] = SimpleQueue()
        self.n_threads = 0
        self.lock = threading.Lock()

    def grow(self, n_threads: int) -> None:
        with self.lock:
            while self.n_threads < n_threads:
                self.n_threads += 1
                threading.Thread(target=self._serve, name=f"plectrum-{self.n_threads}", daemon=True).start()

    def _serve(self) -> None:
        queue = self.queue
        while True:
            job = queue.get()
            job.finished.put(job.work())


_pool = _Pool()


def _renew_pool() -> None:
    global _pool  # noqa: PLW0603  (a forked child has the queue but none of the threads)
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_pool)


def run_in_threads(
    function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], n_threads: int
) -> list[Any]:
    """Return ``[function(*a) for a in arguments]``, computed by up to `n_threads` threads.

    `function` should release the interpreter lock (a Numba kernel with ``nogil=True``). The caller is one of
    the threads. Which of them takes which arguments is left to chance, so results must not depend on it: let
    each call write its own part of the output.

    Parameters
    ----------
    function : callable
        Called once for each item of `arguments`.
    arguments : sequence of tuple
        One tuple of positional arguments per call.
    n_threads : int
        How many threads may work at once; usually ``torch.get_num_threads()``.

    Returns
    -------
    list
        The results, in the order of `arguments`.

    Raises
    ------
    BaseException
        The first error that a call raised, once every thread has stopped.

    Notes
    -----
    Cost: about 20 microseconds to wake another thread; nothing where one is enough. The pool is made
    anew in a forked child.

    Examples
    --------
    >>> from plectrum.kernels._threads import run_in_threads
    >>> run_in_threads(divmod, [(7, 2), (9, 4)], n_threads=2)
    [(3, 1), (2, 1)]
    """
    n_others = min(n_threads, len(arguments)) - 1
    if n_others <= 0:
        return [function(*a) for a in arguments]
    pool = _pool
    if pool.n_threads < n_others:
        pool.grow(n_others)
    job = _Job(function, arguments)
    for _ in range(n_others):
        pool.queue.put(job)
    errors = [job.work()]
    errors += [job.finished.get() for _ in range(n_others)]
    for error in errors:
        if error is not None:
            raise error
    return job.results
