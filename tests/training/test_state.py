import numpy as np
import pytest
import torch

from plectrum.errors import FormatError
from plectrum.training import load_state, save_state


def test_nested_state_comes_back_as_it_was(tmp_path):
    state = {
        "epoch": 3,
        "name": "a.b/c",
        "nothing": None,
        "flag": True,
        "rate": 0.1 + 0.2,
        "moments": {0: {"step": torch.tensor(7.0)}, 1: {"exp_avg": torch.randn(3, 2)}},
        "list": [1, [torch.arange(3)]],
        "array": np.arange(4, dtype=np.int16),
    }
    save_state(tmp_path / "s.safetensors", state)
    back = load_state(tmp_path / "s.safetensors")
    assert back["epoch"] == 3
    assert back["rate"] == state["rate"]
    assert back["nothing"] is None
    assert back["flag"] is True
    assert torch.equal(back["moments"][1]["exp_avg"], state["moments"][1]["exp_avg"])
    assert back["list"][1][0].tolist() == [0, 1, 2]
    assert back["array"].dtype == torch.int16
    assert list(tmp_path.iterdir()) == [tmp_path / "s.safetensors"]


def test_tensors_that_share_memory_are_saved_apart(tmp_path):
    whole = torch.arange(6.0)
    save_state(tmp_path / "s.safetensors", {"a": whole[:3], "b": whole[2:], "c": whole.view(2, 3).T})
    back = load_state(tmp_path / "s.safetensors")
    assert back["b"].tolist() == [2, 3, 4, 5]
    assert back["c"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_what_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(TypeError, match="got set"):
        save_state(tmp_path / "s.safetensors", {"a": {1, 2}})
    assert not list(tmp_path.iterdir())


def test_a_damaged_state_is_a_format_error(tmp_path):
    file = tmp_path / "s.safetensors"
    save_state(file, {"a": torch.ones(100)})
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(FormatError, match="damaged"):
        load_state(file)
