import pytest

from plectrum.kernels.dispatch import choose, use


@pytest.mark.parametrize("operation", ["gather", "pool", "update"])
def test_the_choice_and_its_reason_are_said(operation):
    assert choose(operation, "cpu", "float32") == ("cpu", "compiled for float32 on the CPU")
    assert choose(operation, "cuda", "float32").implementation == "torch"
    with use("torch"):
        assert choose(operation, "cpu", "float32") == ("torch", "asked for")
    assert choose(operation, "cpu", "float32").implementation == "cpu"


def test_a_dtype_that_is_not_compiled_is_named():
    assert choose("update", "cpu", "int8") == ("torch", "update is not compiled for int8")
