import multiprocessing
import threading
import time

import pytest

from plectrum.kernels._threads import run_in_threads


def test_results_come_in_the_order_of_the_arguments():
    assert run_in_threads(lambda x: x * x, [(i,) for i in range(100)], 2) == [i * i for i in range(100)]


def test_no_arguments_means_no_results():
    assert run_in_threads(lambda: 1, [], 4) == []


def test_two_threads_work_at_the_same_time():
    both_there = threading.Barrier(2)
    run_in_threads(lambda _: both_there.wait(timeout=10), [(0,), (1,)], 2)


def test_an_error_in_a_thread_reaches_the_caller():
    def fail(i):
        if i == 3:
            raise ZeroDivisionError("three")
        time.sleep(0.001)

    with pytest.raises(ZeroDivisionError, match="three"):
        run_in_threads(fail, [(i,) for i in range(8)], 2)
    assert run_in_threads(abs, [(-1,), (-2,)], 2) == [1, 2]


def _square_in_threads(queue):
    queue.put(run_in_threads(pow, [(i, 2) for i in range(10)], 2))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    run_in_threads(abs, [(1,), (2,)], 2)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_square_in_threads, args=(queue,))
    child.start()
    try:
        assert queue.get(timeout=20) == [i * i for i in range(10)]
    finally:
        child.join()
