"""What reaches a table by other ways than a plain call of its layer."""

import copy
import warnings

import pytest
import torch

import plectrum.nn
import plectrum.optim
from plectrum.rows import RowParameter

N_ROWS, DIM = 60, 4
MODELS = {
    "torch's Embedding": lambda: torch.nn.Embedding(N_ROWS, DIM, dtype=torch.float64),
    "Embedding": lambda: plectrum.nn.Embedding(N_ROWS, DIM, dtype=torch.float64),
    "EmbeddingBag": lambda: plectrum.nn.EmbeddingBag(N_ROWS, DIM, mode="sum", dtype=torch.float64),
    "EmbeddingTables": lambda: plectrum.nn.EmbeddingTables(
        {"a": (N_ROWS, 2), "b": (N_ROWS, 3), "c": (N_ROWS, 2)}, dtype=torch.float64
    ),
}
ALL_ROWS = torch.arange(3 * N_ROWS).reshape(N_ROWS, 3) % N_ROWS


def trained_twins(make):
    """A model by plectrum's AdamW, of which most rows are behind, and its twin by torch's."""
    torch.manual_seed(0)
    ours = make()
    theirs = copy.deepcopy(ours)
    pairs = [
        (ours, plectrum.optim.AdamW(ours, lr=0.05, weight_decay=0.1, dense_below=0)),
        (theirs, torch.optim.AdamW(theirs.parameters(), lr=0.05, weight_decay=0.1)),
    ]
    generator = torch.Generator().manual_seed(0)
    for _ in range(12):
        ids = torch.randint(0, N_ROWS, (6, 3), generator=generator) // 2
        for model, optimizer in pairs:
            optimizer.zero_grad()
            model(ids).pow(2).sum().backward()
            optimizer.step()
    assert all(isinstance(p, RowParameter) and p._ledger.is_behind for p in ours.parameters())
    return ours, theirs


def traced(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is on its way out
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # the number of columns is checked
        return torch.jit.trace(model, (ALL_ROWS,))(ALL_ROWS.flip(0))


def gradient_of_each_sample(model):
    parameters = {name: table.detach() for name, table in model.named_parameters()}

    def loss(parameters, ids):
        return torch.func.functional_call(model, parameters, (ids.unsqueeze(0),)).pow(2).sum()

    found = torch.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, ALL_ROWS)
    return torch.cat([gradient.flatten() for gradient in found.values()])


WAYS = {
    "torch.vmap over ids": lambda model: torch.vmap(model)(ALL_ROWS.reshape(N_ROWS, 1, 3)),
    "torch.jit.trace": traced,
    "torch.export": lambda model: torch.export.export(model, (ALL_ROWS,)).module()(ALL_ROWS),
    "functional_call": lambda model: torch.func.functional_call(
        model, dict(model.named_parameters()), (ALL_ROWS,)
    ),
    "the gradient of each sample": gradient_of_each_sample,
    "parameters_to_vector": lambda model: torch.nn.utils.parameters_to_vector(model.parameters()),
    "aten": lambda model: torch.cat([torch.ops.aten.mul(p, 2.0).flatten() for p in model.parameters()]),
    "DLPack": lambda model: torch.cat([torch.from_dlpack(p.detach()).flatten() for p in model.parameters()]),
    "inference_mode": lambda model: in_inference_mode(model),
}


def in_inference_mode(model):
    with torch.inference_mode():
        return model(ALL_ROWS).clone()


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")  # torch's pooling, batched
@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("name", list(MODELS))
def test_rows_are_up_to_date_however_they_are_reached(name, way):
    ours, theirs = trained_twins(MODELS[name])
    torch.testing.assert_close(WAYS[way](ours), WAYS[way](theirs), rtol=0, atol=1e-11)


@pytest.mark.parametrize("kind", [plectrum.nn.Embedding, plectrum.nn.EmbeddingBag])
def test_layers_that_no_optimizer_holds_can_be_traced_as_torchs_can(kind):
    layer = kind(N_ROWS, DIM)
    torch.testing.assert_close(traced(layer), layer(ALL_ROWS.flip(0)))
    assert "vectors" not in dir(layer)
    assert "vectors" in dir(kind.from_keys(["a", "b"], DIM))


@pytest.mark.parametrize("name", ["AdamW", "SGD", "Adagrad"])
@pytest.mark.parametrize("how", ["every second column", "transposed"])
def test_a_table_whose_rows_do_not_lie_end_to_end_trains_as_with_torch(name, how):
    options = {"SGD": {"momentum": 0.9}, "AdamW": {"weight_decay": 0.1}, "Adagrad": {}}[name]

    def layer():
        torch.manual_seed(0)
        wide = torch.randn(N_ROWS, 2 * DIM, dtype=torch.float64)
        rows = wide[:, ::2] if how == "every second column" else wide[:, :DIM].T.contiguous().T
        return torch.nn.Embedding.from_pretrained(rows, freeze=False)

    ours, theirs = layer(), layer()
    assert not ours.weight.is_contiguous()
    pairs = [
        (ours, getattr(plectrum.optim, name)(ours, lr=0.05, dense_below=0, **options)),
        (theirs, getattr(torch.optim, name)(theirs.parameters(), lr=0.05, **options)),
    ]
    for k in range(12):
        ids = torch.arange(k, k + 20)
        for model, optimizer in pairs:
            optimizer.zero_grad()
            model(ids).pow(2).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight.detach(), theirs.weight.detach(), rtol=0, atol=1e-12)
