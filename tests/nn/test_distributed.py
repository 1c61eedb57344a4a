"""Layers under DistributedDataParallel on two processes, gradients averaged over gloo."""

import os

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

import plectrum.nn
import plectrum.optim

pytestmark = pytest.mark.slow  # each test starts two processes

N_ROWS, DIM, N_STEPS = 50, 4, 12
KINDS = {
    "torch's SGD": lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
    "torch's AdamW": lambda model: torch.optim.AdamW(model.parameters(), lr=0.05),
    "SGD": lambda model: plectrum.optim.SGD(model, lr=0.1, dense_below=0),
    "AdamW": lambda model: plectrum.optim.AdamW(model, lr=0.05, dense_below=0),
}
SAME = {"SGD": "torch's SGD", "AdamW": "torch's AdamW"}
# DistributedDataParallel asks a layer once, when it wraps it, whether its gradients will be sparse
CASES = [
    *(("torch's SGD", False), ("torch's SGD", True), ("torch's AdamW", False)),
    *(("SGD", True), ("AdamW", True), ("SGD", False), ("AdamW", False)),
]


class Model(torch.nn.Module):
    def __init__(self, *, sparse=False):
        super().__init__()
        torch.manual_seed(0)
        self.rows = plectrum.nn.Embedding(N_ROWS, DIM, dtype=torch.float64, sparse=sparse)
        self.head = torch.nn.Linear(DIM, 1, dtype=torch.float64)

    def forward(self, ids):
        return self.head(self.rows(ids).tanh())


class OtherModel(torch.nn.Module):
    """What else looks rows up: bags, many tables, a table that is the last layer too."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        n_outputs = N_ROWS if kind == "tied" else 1
        self.rows = {
            "bags, sum": lambda: plectrum.nn.EmbeddingBag(N_ROWS, DIM, mode="sum", dtype=torch.float64),
            "bags, mean": lambda: plectrum.nn.EmbeddingBag(N_ROWS, DIM, mode="mean", dtype=torch.float64),
            "tables": lambda: plectrum.nn.EmbeddingTables(
                {"a": (N_ROWS, 1), "b": (N_ROWS, 3)}, dtype=torch.float64
            ),
            "tied": lambda: plectrum.nn.Embedding(N_ROWS, DIM, dtype=torch.float64),
        }[kind]()
        self.head = torch.nn.Linear(DIM, n_outputs, bias=False, dtype=torch.float64)
        if kind == "tied":
            self.head.weight = self.rows.weight

    def forward(self, ids):
        return self.head(self.rows(ids.reshape(-1, 2)).tanh())


def batch(step, part):
    ids = torch.randint(0, N_ROWS, (2, 6), generator=torch.Generator().manual_seed(step))
    return ids if part is None else ids[part]


def train(model, optimizer, part):
    for step in range(N_STEPS):
        optimizer.zero_grad()
        model(batch(step, part)).square().mean().backward()
        optimizer.step()


def work(rank, name, sparse, wrap_first, frozen, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.set_num_threads(1)
    model = Model(sparse=sparse)
    if frozen:
        model.rows.freeze(frozen)
    if wrap_first:
        wrapped = torch.nn.parallel.DistributedDataParallel(model)
        optimizer = KINDS[name](wrapped)
    else:
        optimizer = KINDS[name](model)
        wrapped = torch.nn.parallel.DistributedDataParallel(model)
    train(wrapped, optimizer, rank)
    finish(model, rank, folder)


def finish(model, rank, folder):
    torch.save(model.state_dict(), folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
    os._exit(0)  # once in thirty times torch aborts a process that goes further: a thread of gloo's is left


def work_on_other(rank, kind, name, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.set_num_threads(1)
    model = OtherModel(kind)
    train(torch.nn.parallel.DistributedDataParallel(model), KINDS[name](model), rank)
    finish(model, rank, folder)


@pytest.mark.parametrize("frozen", [[], [1, 7]], ids=["all rows", "some frozen"])
@pytest.mark.parametrize("wrap_first", [True, False], ids=["wrapped first", "optimizer first"])
@pytest.mark.parametrize(("name", "sparse"), CASES)
def test_two_processes_end_where_one_does(name, sparse, wrap_first, frozen, tmp_path):
    mp.spawn(work, (name, sparse, wrap_first, frozen, tmp_path), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    alone = Model()
    if frozen:
        alone.rows.freeze(frozen)
    train(alone, KINDS[SAME.get(name, name)](alone), None)
    for key, expected in alone.state_dict().items():
        assert torch.equal(first[key], second[key])
        torch.testing.assert_close(first[key], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["SGD", "AdamW"])
@pytest.mark.parametrize("kind", ["bags, sum", "bags, mean", "tables", "tied"])
def test_two_processes_end_where_one_does_with_other_layers(kind, name, tmp_path):
    mp.spawn(work_on_other, (kind, name, tmp_path), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    alone = OtherModel(kind)
    train(alone, KINDS[SAME[name]](alone), None)
    for key, expected in alone.state_dict().items():
        assert torch.equal(first[key], second[key])
        torch.testing.assert_close(first[key], expected, rtol=1e-9, atol=1e-9)
