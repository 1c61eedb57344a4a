import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch

import plectrum.nn
import plectrum.optim
from plectrum.errors import ArgumentError, ArgumentTypeError, FormatError, OptimizerError
from plectrum.rows import keep_in_files, ledger_of, make_table, open_table

SOURCE = Path(__file__).parents[2] / "src"
OPTIMIZERS = {
    "AdamW": {"lr": 0.05, "weight_decay": 0.1},
    "SGD": {"lr": 0.02, "momentum": 0.9},
    "RowwiseAdagrad": {"lr": 0.1},
}


def batches(first, end):
    for k in range(first, end):
        yield torch.randint(0, 40, (16,), generator=torch.Generator().manual_seed(k))


def train(layer, optimizer, first, end):
    for ids in batches(first, end):
        optimizer.zero_grad()
        layer(ids).pow(2).sum().backward()
        optimizer.step()


def new_layer():
    return torch.nn.Embedding(60, 8, _weight=torch.randn(60, 8, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_training_goes_on_after_the_table_is_opened_again(name, tmp_path):
    kind, options = getattr(plectrum.optim, name), {"dense_below": 0, **OPTIMIZERS[name]}
    whole = new_layer()
    train(whole, kind(whole, **options), 0, 20)
    layer = new_layer()
    keep_in_files(layer.weight, tmp_path / "table")
    train(layer, kind(layer, **options), 0, 12)
    del layer
    again = torch.nn.Embedding(60, 8)
    again.weight = open_table(tmp_path / "table")
    train(again, kind(again, **options), 12, 20)
    torch.testing.assert_close(again.weight.detach(), whole.weight.detach(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_state_that_is_loaded_goes_into_the_files(name, tmp_path):
    kind, options = getattr(plectrum.optim, name), {"dense_below": 0, **OPTIMIZERS[name]}
    whole = new_layer()
    optimizer = kind(whole, **options)
    train(whole, optimizer, 0, 8)
    layer = torch.nn.Embedding(60, 8)
    keep_in_files(layer.weight, tmp_path / "table")
    mapped = kind(layer, **options)
    train(layer, mapped, 30, 33)  # what the files hold is replaced
    layer.load_state_dict(whole.state_dict())
    mapped.load_state_dict(optimizer.state_dict())
    train(layer, mapped, 8, 14)
    del layer
    again = torch.nn.Embedding(60, 8)
    again.weight = open_table(tmp_path / "table")
    train(again, kind(again, **options), 14, 20)
    train(whole, optimizer, 8, 20)
    torch.testing.assert_close(again.weight.detach(), whole.weight.detach(), rtol=1e-6, atol=1e-6)


PROGRAM = """
import os, signal, sys, torch, plectrum.optim
sys.path.insert(0, {tests!r})
from test_mapped import keep_in_files, new_layer, train
layer = new_layer()
keep_in_files(layer.weight, {folder!r})
train(layer, plectrum.optim.AdamW(layer, lr=0.05, weight_decay=0.1, dense_below=0), 0, 12)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_a_table_that_trains_on(tmp_path):
    folder = tmp_path / "table"
    program = textwrap.dedent(PROGRAM).format(tests=str(Path(__file__).parent), folder=str(folder))
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    whole = new_layer()
    options = {"lr": 0.05, "weight_decay": 0.1, "dense_below": 0}
    train(whole, plectrum.optim.AdamW(whole, **options), 0, 20)
    again = torch.nn.Embedding(60, 8)
    again.weight = open_table(folder)
    train(again, plectrum.optim.AdamW(again, **options), 12, 20)
    torch.testing.assert_close(again.weight.detach(), whole.weight.detach(), rtol=1e-6, atol=1e-6)


FOREVER = """
import sys, torch, plectrum.optim
sys.path.insert(0, {tests!r})
from test_mapped import keep_in_files, new_layer, train
layer = new_layer()
keep_in_files(layer.weight, {folder!r})
train(layer, plectrum.optim.AdamW(layer, lr=0.05, weight_decay=0.1, dense_below=0), 0, 10**9)
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.0003, 0.0011, 0.0024])
def test_a_process_killed_at_any_moment_leaves_all_rows_whole_but_those_of_its_last_batch(tmp_path, moment):
    folder = tmp_path / "table"
    program = textwrap.dedent(FOREVER).format(tests=str(Path(__file__).parent), folder=str(folder))
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    log = folder / "steps.log"
    try:
        while not log.exists() or log.stat().st_size < 5000:
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(moment)
    finally:
        process.kill()
        process.wait()
    again = torch.nn.Embedding(60, 8)
    again.weight = open_table(folder)
    optimizer = plectrum.optim.AdamW(again, lr=0.05, weight_decay=0.1, dense_below=0)
    n_steps = ledger_of(again.weight).n_steps
    whole = new_layer()
    train(whole, plectrum.optim.AdamW(whole, lr=0.05, weight_decay=0.1, dense_below=0), 0, n_steps)
    others = torch.ones(60, dtype=torch.bool)
    others[next(batches(n_steps - 1, n_steps))] = False
    apart = (again.weight.detach() - whole.weight.detach()).abs()
    assert n_steps > 50
    assert apart[others].max() < 1e-5
    assert apart.max() < 0.2  # a few times the rate
    train(again, optimizer, n_steps, n_steps + 50)
    assert again.weight.isfinite().all()


def test_a_clock_that_forgets_forgets_in_the_files_too(tmp_path, monkeypatch):
    monkeypatch.setattr("plectrum.optim._base.MEMORY", 5)
    test_training_goes_on_after_the_table_is_opened_again("AdamW", tmp_path)


def test_a_folder_with_a_table_is_not_overwritten_and_one_without_is_named(tmp_path):
    keep_in_files(new_layer().weight, tmp_path / "table")
    with pytest.raises(ArgumentError, match="must not hold a table yet"):
        keep_in_files(new_layer().weight, tmp_path / "table")
    with pytest.raises(FormatError, match="must hold a table"):
        open_table(tmp_path / "nothing")


def test_a_table_that_an_optimizer_holds_is_not_moved_into_files(tmp_path):
    layer = new_layer()
    train(layer, plectrum.optim.AdamW(layer, dense_below=0), 0, 2)
    with pytest.raises(ArgumentError, match="must not belong to an optimizer"):
        keep_in_files(layer.weight, tmp_path / "table")
    assert not (tmp_path / "table").exists()


def test_a_table_in_files_says_that_it_cannot_grow(tmp_path):
    layer = plectrum.nn.Embedding(60, 8)
    keep_in_files(layer.weight, tmp_path / "table")
    with pytest.raises(ArgumentError, match="kept in files, whose size is fixed"):
        layer.grow(3)
    assert layer.weight.shape == (60, 8)


def test_rows_that_were_behind_are_whole_when_a_training_ends_with_catch_up(tmp_path):
    layer = new_layer()
    keep_in_files(layer.weight, tmp_path / "table")
    optimizer = plectrum.optim.AdamW(layer, lr=0.05, dense_below=0)
    train(layer, optimizer, 0, 12)
    optimizer.catch_up()
    assert torch.equal(open_table(tmp_path / "table"), layer.weight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_table_is_made_in_files_and_trained_without_ever_being_in_memory(tmp_path, dtype):
    layer = plectrum.nn.Embedding(2000, 16, device="meta")
    layer.weight = make_table(tmp_path / "table", (2000, 16), dtype=dtype)
    assert abs(layer.weight.detach().float().std().item() - 0.25) < 0.01
    optimizer = plectrum.optim.AdamW(layer, lr=0.05)
    before = layer.weight.detach().clone()
    train(layer, optimizer, 0, 3)
    optimizer.catch_up()
    assert not torch.equal(layer.weight.detach(), before)
    assert torch.equal(open_table(tmp_path / "table"), layer.weight)
    with pytest.raises(ArgumentError, match="`folder` of `make_table` must not hold a table yet"):
        make_table(tmp_path / "table", (3, 4))


@pytest.mark.parametrize("how", ["the module", "its parameters"])
def test_a_small_table_in_files_keeps_its_state_there_too(tmp_path, how):
    layer = torch.nn.Embedding(60, 8)
    keep_in_files(layer.weight, tmp_path / "table")
    optimizer = plectrum.optim.AdamW(layer if how == "the module" else layer.parameters(), lr=0.05)
    train(layer, optimizer, 0, 2)
    assert (tmp_path / "table" / "exp_avg.bin").exists()


def test_another_optimizer_than_the_one_that_trained_a_table_is_refused(tmp_path):
    layer = new_layer()
    keep_in_files(layer.weight, tmp_path / "table")
    plectrum.optim.SGD(layer, lr=0.1)  # takes no step, so the next may be another
    train(layer, plectrum.optim.AdamW(layer, lr=0.1), 0, 2)
    again = torch.nn.Embedding(60, 8)
    again.weight = open_table(tmp_path / "table")
    with pytest.raises(OptimizerError, match="holds steps of 'adamw', got 'adam'"):
        plectrum.optim.Adam(again, lr=0.1)
    train(again, plectrum.optim.AdamW(again, lr=0.1), 2, 4)


def test_what_is_no_table_is_not_moved_into_files(tmp_path):
    with pytest.raises(ArgumentTypeError, match=r"must be a Parameter .* got Embedding"):
        keep_in_files(new_layer(), tmp_path / "table")
    with pytest.raises(ArgumentError, match="must be on the CPU; got one on meta"):
        keep_in_files(torch.nn.Embedding(3, 4, device="meta").weight, tmp_path / "table")
    assert not (tmp_path / "table").exists()


def test_a_file_of_another_size_is_named(tmp_path):
    keep_in_files(new_layer().weight, tmp_path)
    (tmp_path / "weight.bin").write_bytes(b"12")
    with pytest.raises(FormatError, match=r"weight.bin.*must hold 1,920 bytes"):
        open_table(tmp_path)
