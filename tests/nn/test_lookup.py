import pytest
import torch

import plectrum.nn
import plectrum.optim
from plectrum.errors import ArgumentError, RowOutOfRangeError

BAD = [((1, 2), 13), ((0, 0), -1), ((3, 1), 10**9), ((2, 2), -13)]


def ids_with(position, value, dtype=torch.int64):
    ids = torch.randint(0, 13, (4, 3), generator=torch.Generator().manual_seed(0)).to(dtype)
    ids[position] = value
    return ids


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize(("position", "value"), BAD)
@pytest.mark.parametrize("options", [{}, {"max_norm": 1.0}, {"padding_idx": 0}, {"sparse": True}], ids=str)
def test_a_bad_id_says_value_position_and_size(position, value, dtype, options):
    layer = plectrum.nn.Embedding(13, 5, **options)
    with pytest.raises(RowOutOfRangeError) as caught:
        layer(ids_with(position, value, dtype))
    error = caught.value
    assert (error.value, error.position, error.n_bad) == (value, position, 1)
    assert (error.n_values, error.n_rows) == (12, 13)
    assert isinstance(error, IndexError)
    assert f"`ids` of `Embedding` must lie in [0, 13); got {value} at position {position}" in str(error)
    assert "1 of 12 values" in str(error)


@pytest.mark.parametrize(("position", "value"), BAD)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 0])
def test_a_bad_id_in_a_bag_is_the_error_torch_raises_and_says_more(position, value, mode, padding_idx):
    layer = plectrum.nn.EmbeddingBag(13, 5, mode=mode, padding_idx=padding_idx)
    ids = ids_with(position, value)
    for inputs, place in (
        ((ids,), position),
        ((ids.view(-1), torch.tensor([0, 5])), (position[0] * 3 + position[1],)),
    ):
        with pytest.raises(RowOutOfRangeError, match="`ids` of `EmbeddingBag` must lie in") as caught:
            layer(*inputs)
        assert (caught.value.value, caught.value.position) == (value, place)
        assert isinstance(caught.value, RuntimeError)


def test_several_bad_ids_are_counted_and_the_first_is_named():
    ids = torch.tensor([3, 99, -4, 2, 98])
    with pytest.raises(RowOutOfRangeError, match="got 99 at position 1, 3 of 5 values") as caught:
        plectrum.nn.Embedding(13, 5)(ids)
    assert caught.value.n_bad == 3


def test_any_id_is_bad_in_an_empty_table():
    with pytest.raises(RowOutOfRangeError, match=r"must lie in \[0, 0\)"):
        plectrum.nn.Embedding(0, 5)(torch.tensor([0]))


def test_a_subclass_is_named_in_the_error():
    class Words(plectrum.nn.Embedding):
        pass

    with pytest.raises(RowOutOfRangeError, match="`ids` of `Words`"):
        Words(3, 2)(torch.tensor([3]))


def test_falling_offsets_are_explained():
    layer = plectrum.nn.EmbeddingBag(13, 5, mode="sum")
    with pytest.raises(ArgumentError, match="must not decrease; got 1 after 2 at position 2") as caught:
        layer(torch.tensor([1, 2, 3]), torch.tensor([0, 2, 1]))
    assert isinstance(caught.value, RuntimeError)


def test_a_table_unchanged_by_a_bad_batch_still_answers():
    layer = plectrum.nn.Embedding(13, 5)
    before = layer.weight.detach().clone()
    with pytest.raises(RowOutOfRangeError):
        layer(torch.tensor([0, 13]))
    assert torch.equal(layer(torch.arange(13)), before)


@pytest.mark.parametrize("kind", [plectrum.nn.Embedding, plectrum.nn.EmbeddingBag])
def test_compiled_code_refuses_a_bad_id_as_torch_does(kind):
    torch.compiler.reset()
    compiled = torch.compile(kind(13, 5), backend="eager", fullgraph=True)
    with pytest.raises((IndexError, RuntimeError)):
        compiled(torch.tensor([[1, 13]]))


@pytest.mark.parametrize("kind", [plectrum.nn.Embedding, plectrum.nn.EmbeddingBag])
def test_a_layer_in_training_names_bad_ids_as_well(kind):
    layer = kind(13, 5)
    optimizer = plectrum.optim.AdamW(layer, dense_below=0)
    layer(torch.tensor([[1, 2]])).sum().backward()
    optimizer.step()
    before = layer.weight.detach().clone()
    with pytest.raises(RowOutOfRangeError, match=f"`ids` of `{kind.__name__}`.* got 13 at") as caught:
        layer(torch.tensor([[1, 13]]))
    assert caught.value.position == (0, 1)
    assert isinstance(caught.value, RuntimeError) == (kind is plectrum.nn.EmbeddingBag)
    assert torch.equal(layer.weight, before)


def test_tables_in_training_name_bad_ids_as_well():
    tables = plectrum.nn.EmbeddingTables({"store": (11, 4), "a.b": (5, 3)})
    plectrum.optim.AdamW(tables, dense_below=0)
    with pytest.raises(RowOutOfRangeError, match=r"EmbeddingTables\['a\.b'\].* got 5 at position \(1, 1\)"):
        tables(torch.tensor([[1, 2], [3, 5]]))
