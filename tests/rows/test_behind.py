"""Which tables the compiled kernels take on."""

import torch

from plectrum.rows._behind import is_compiled


def test_tables_with_more_rows_than_fit_beside_a_position_are_left_to_torch():
    room = torch.empty(2**31 + 1, dtype=torch.float16)  # never touched, so that it takes no memory
    assert is_compiled(room[: 2**31].unsqueeze(1))
    assert not is_compiled(room.unsqueeze(1))
