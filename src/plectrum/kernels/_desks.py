"""Memory to work with: kept between calls, because the first touch of new memory costs much."""

import numpy as np


class Desk:
    """Memory that one call has to itself; what stands in it is anything."""

    def __init__(self, n_bytes: int) -> None:
        self.memory = np.empty(n_bytes, np.uint8)
        self.address: int = self.memory.ctypes.data


_desks: list[Desk] = []


def take_desk(n_bytes: int) -> Desk:
    """Return one that nobody else has; give it to `put_back` afterwards."""
    try:
        desk = _desks.pop()
    except IndexError:
        return Desk(n_bytes)
    return desk if len(desk.memory) >= n_bytes else Desk(n_bytes)


def put_back(desk: Desk) -> None:
    """Let the next call have this memory."""
    _desks.append(desk)
