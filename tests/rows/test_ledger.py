import pytest
import torch

import plectrum.nn
import plectrum.optim
from plectrum.errors import OptimizerError
from plectrum.kernels import _desks
from plectrum.rows import ledger_of


def trained():
    """A table of which row 0 alone took the last three of four steps, and the dense table it stands for."""
    torch.manual_seed(0)
    layer = torch.nn.Embedding(50, 8)
    dense = torch.nn.Embedding(50, 8, _weight=layer.weight.detach().clone())
    pairs = [
        (layer, plectrum.optim.AdamW(layer, lr=0.1, dense_below=0)),
        (dense, torch.optim.AdamW(dense.parameters(), lr=0.1)),
    ]
    for ids in (torch.arange(50), *[torch.tensor([0])] * 3):
        for model, optimizer in pairs:
            model(ids).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    return layer, dense


def test_ids_changed_in_place_between_two_lookups_are_caught_up_anew():
    layer, dense = trained()
    ids = torch.tensor([3, 3])
    for row in (3, 7, 9):
        ids.fill_(row)
        torch.testing.assert_close(layer(ids), dense(ids))


def test_other_ids_in_the_same_memory_are_caught_up_anew():
    layer, dense = trained()
    ids = torch.tensor([3, 7, 9, 11])
    for part in (ids[:1], ids[:2], ids[::2], ids[1::2], ids.view(2, 2).T[0]):
        torch.testing.assert_close(layer(part), dense(part))


def test_ids_made_in_inference_mode_are_caught_up_each_time():
    layer, dense = trained()
    with torch.inference_mode():
        ids = torch.tensor([3, 7])
        for _ in range(2):
            torch.testing.assert_close(layer(ids), dense(ids))
            ids += 1


def test_an_update_does_not_ask_again_for_the_ids_of_its_forward(monkeypatch):
    asked = []
    take = plectrum.optim._base.catch_up
    monkeypatch.setattr(plectrum.optim._base, "catch_up", lambda *a: asked.append(len(a[2])) or take(*a))
    wide = torch.nn.Embedding(2000, 64)
    optimizer = plectrum.optim.AdamW(wide, dense_below=0)
    for _ in range(3):
        wide(torch.arange(5000) % 2000).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert asked == [5000, 5000]  # at the first step no row can be behind


@pytest.mark.parametrize("name", ["AdamW", "SGD"])
def test_rows_added_while_none_was_behind_are_stepped_in_memory_of_their_own(name):
    options = {"momentum": 0.9} if name == "SGD" else {}
    layer = plectrum.nn.Embedding(60, 4)
    optimizer = getattr(plectrum.optim, name)(layer, dense_below=0, **options)
    layer(torch.arange(60)).sum().backward()
    optimizer.step()
    layer.grow(400)  # reads the table: no row is behind, and nothing asks how many there are
    before = layer.weight.detach().clone()
    optimizer.zero_grad()
    layer(torch.tensor([459, 60, 3])).sum().backward()
    optimizer.step()
    assert len(ledger_of(layer.weight).last) == 460
    moved = (layer.weight.detach() != before).any(dim=1)
    assert moved[[459, 60, 3]].all()


@pytest.mark.parametrize("name", ["AdamW", "SGD"])
@pytest.mark.parametrize("how", ["grow", "by hand"])
def test_tables_that_grew_while_no_row_was_behind_are_stepped_in_memory_of_their_own(name, how):
    options = {"momentum": 0.9} if name == "SGD" else {}
    tables = plectrum.nn.EmbeddingTables({"a": (60, 64), "b": (60, 64)})
    optimizer = getattr(plectrum.optim, name)(tables, dense_below=0, **options)
    every = torch.arange(60).repeat(40).unsqueeze(1).expand(2400, 2)
    tables(every).sum().backward()
    optimizer.step()
    for name in tables:
        if how == "grow":
            tables.grow(name, 400)
        else:
            tables[name].data = torch.cat([tables[name].data, torch.zeros(400, 64)])
    optimizer.zero_grad()
    tables(every + 400).sum().backward()
    if how == "by hand":
        with pytest.raises(OptimizerError, match="tables grow by the layer's `grow`"):
            optimizer.step()
        return
    optimizer.step()
    assert [len(ledger_of(tables[name]).last) for name in tables] == [460, 460]


@pytest.mark.parametrize("name", ["AdamW", "SGD", "Adagrad"])
def test_a_table_of_another_dtype_is_refused_in_the_middle_of_training(name):
    layer = torch.nn.Embedding(60, 4, dtype=torch.float64)
    optimizer = getattr(plectrum.optim, name)(layer, dense_below=0)
    layer(torch.arange(5)).sum().backward()
    optimizer.step()
    layer.float()
    with pytest.raises(OptimizerError, match=r"must keep its dtype; got torch.float32, after torch.float64"):
        layer(torch.arange(5))


def test_a_model_converted_before_its_first_step_trains_in_the_new_dtype():
    torch.manual_seed(0)
    layer = torch.nn.Embedding(60, 4)
    optimizer = plectrum.optim.AdamW(layer, lr=0.1, dense_below=0)
    layer.double()
    dense = torch.nn.Embedding(60, 4, _weight=layer.weight.detach().clone())
    pairs = [(layer, optimizer), (dense, torch.optim.AdamW(dense.parameters(), lr=0.1))]
    for k in range(30):
        for model, its in pairs:
            its.zero_grad()
            model(torch.arange(k, k + 20)).pow(2).sum().backward()
            its.step()
    torch.testing.assert_close(layer.weight.detach(), dense.weight.detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("reads_all", [False, True])
@pytest.mark.parametrize("name", ["AdamW", "SGD"])
def test_rows_of_an_older_time_than_the_clock_count_from_where_it_starts(name, reads_all):
    """A file may say so that was not written to the end: there is nothing before the start to make up for."""
    options = {"momentum": 0.9} if name == "SGD" else {}
    tables = [torch.nn.Embedding(300, 8) for _ in range(2)]
    tables[1].load_state_dict(tables[0].state_dict())
    for table, is_older in zip(tables, (False, True), strict=True):
        optimizer = getattr(plectrum.optim, name)(table, lr=0.1, dense_below=0, **options)
        table(torch.arange(300)).sum().backward()
        optimizer.step()
        state = optimizer.state_dict()
        for kept in state["state"].values():
            kept["step"] = torch.tensor(3000.0)
        optimizer = getattr(plectrum.optim, name)(table, lr=0.1, dense_below=0, **options)
        optimizer.load_state_dict(state)
        ledger = ledger_of(table.weight)
        assert ledger.series.start == 3000
        for _ in range(2):
            optimizer.zero_grad()
            table(torch.tensor([0])).sum().backward()
            optimizer.step()
        if is_older:
            ledger.last[1:] = 17
        else:
            assert (ledger.last[1:] == 3000).all()
    ids = torch.arange(300)
    found = [table.weight.detach() if reads_all else table(ids).detach() for table in tables]
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_a_lookup_of_small_numbers_that_finds_no_row_behind_draws_nothing():
    layer = plectrum.nn.Embedding(50, 8, dtype=torch.bfloat16)
    optimizer = plectrum.optim.AdamW(layer, dense_below=0)
    for _ in range(2):
        layer(torch.tensor([1, 2])).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    layer(torch.tensor([3, 4]))  # these are brought up to date, and rounded by chance
    before = torch.get_rng_state()
    layer(torch.tensor([4, 3]))
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(IndexError):
        layer(torch.tensor([3, 50]))


def test_what_one_call_works_with_does_not_grow_with_the_table():
    narrow = plectrum.nn.Embedding(1_000_000, 1)
    optimizer = plectrum.optim.AdamW(narrow, dense_below=0)
    for _ in range(2):
        narrow(torch.tensor([5])).sum().backward()
        optimizer.step()
    _desks._desks.clear()
    assert narrow.weight.detach().shape == (1_000_000, 1)  # read whole: all rows are brought up to date
    assert sum(len(desk.memory) for desk in _desks._desks) < 2**24
