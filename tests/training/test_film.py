import numpy as np
import torch

from plectrum.training import Film, FilmRecorder, learning_rate_factor, snapshot_steps


def test_snapshots_are_dense_at_first_and_cover_the_whole_training():
    steps = snapshot_steps(1000, 24)
    assert steps[0] == 0
    assert steps[-1] == 1000
    assert len(steps) == 24
    assert (np.diff(np.diff(steps)) >= -1).all()


def test_a_short_training_gives_fewer_snapshots_not_repeated_ones():
    assert snapshot_steps(3, 24) == [0, 1, 2, 3]


def test_a_film_ends_with_the_table_that_was_kept():
    table = torch.zeros(5, 2)
    recorder = FilmRecorder({"t": table}, {"t": [4, 3]}, n_snapshots=5)
    recorder.start(n_steps=16, steps_per_epoch=4)
    for step in range(1, 17):
        table += 1
        recorder.after_step(step)
    table.fill_(8)
    recorder.finish(best_step=8)
    film = recorder.films()["t"]
    assert film.rows.tolist() == [3, 4]
    assert film.steps == [0, 1, 4, 8]
    assert film.epochs[-1] == 2.0
    assert film.snapshots.dtype == np.float16
    assert film.snapshots[:, 0, 0].tolist() == [0, 1, 4, 8]


def test_paths_lie_on_one_fixed_plane():
    film = Film(np.arange(2), [0, 1], [0.0, 1.0], np.ones((2, 2, 3), np.float16))
    paths = film.paths(np.array([1.0, 0, 0]), np.eye(3)[:, :2])
    assert paths.shape == (2, 2, 2)
    assert paths[0, 0].tolist() == [0.0, 1.0]


def test_a_large_table_is_filmed_in_its_most_frequent_rows():
    table = torch.zeros(30_000, 1)
    recorder = FilmRecorder({"t": table}, {"t": np.arange(30_000)[::-1]}, n_snapshots=2)
    recorder.start(n_steps=1, steps_per_epoch=1)
    assert recorder.films()["t"].rows.tolist() == list(range(10_000, 30_000))


def test_schedules_stay_within_bounds_and_end_low():
    for name in ("one-cycle", "cosine", "linear"):
        factors = [learning_rate_factor(name, i / 100) for i in range(101)]
        assert max(factors) <= 1.0
        assert factors[-1] <= 1e-3
