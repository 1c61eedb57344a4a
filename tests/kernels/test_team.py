import multiprocessing
from array import array

import numba
import pytest
import torch

from plectrum.kernels import _team
from plectrum.kernels._team import run_in_team
from plectrum.kernels.native._cpu_compile import compiled_body
from plectrum.kernels.native._cpu_memory import int64_at, take_turn


@compiled_body
def square_in_turns(arguments):
    a = numba.carray(int64_at(arguments), (3,))
    numbers = numba.carray(int64_at(a[1]), (a[2],))
    while True:
        turn = take_turn(arguments)
        if turn >= a[2]:
            return
        numbers[turn] *= numbers[turn]


def squares(n, n_threads):
    numbers = array("q", range(n))
    run_in_team(square_in_turns, array("q", (0, numbers.buffer_info()[0], n)), n_threads)
    return numbers.tolist()


@pytest.mark.parametrize("n_threads", [0, 1, 2, 3, 8])
@pytest.mark.parametrize("n", [0, 1, 1000])
def test_every_turn_is_taken_once_whatever_the_number_of_threads(n, n_threads):
    assert squares(n, n_threads) == [i * i for i in range(n)]


def test_without_torchs_threads_the_pool_does_the_same(monkeypatch):
    monkeypatch.setattr(_team._Team, "find", classmethod(lambda cls: None))
    assert squares(1000, 3) == [i * i for i in range(1000)]


def test_it_can_be_called_between_torchs_own_parallel_operations():
    numbers = torch.arange(2.0**18)
    for _ in range(20):
        assert (numbers + 1).sum() > 0
        assert squares(50, 2) == [i * i for i in range(50)]


def test_a_build_of_torch_without_such_threads_is_none():
    class Other:
        __file__ = "/nowhere/torch/__init__.py"

    assert _team._parallel_of(Other) is None


def _squares_in_child(queue):
    queue.put(squares(100, 2))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_threads_it_has_not():
    squares(100, 2)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_squares_in_child, args=(queue,))
    child.start()
    try:
        assert queue.get(timeout=20) == [i * i for i in range(100)]
    finally:
        child.join()
