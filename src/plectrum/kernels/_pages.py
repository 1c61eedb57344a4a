"""Large pages for large tables: random rows cost as much in address translation as in reading."""

import ctypes
import sys

_PAGE, _HUGE = 4096, 2**21
_ADVISE_HUGE, _COLLAPSE = 14, 25  # Linux: MADV_HUGEPAGE, MADV_COLLAPSE
WORTH_IT = 4 * _HUGE


def use_large_pages(address: int, n_bytes: int) -> bool:
    """Ask the system to hold this memory in large pages, contents included; return True if it will.

    Does nothing for less than 8 MB, nor on systems other than Linux. Cost: moves what is there already once.
    """
    if n_bytes < WORTH_IT or not sys.platform.startswith("linux"):
        return False
    first = (address + _PAGE - 1) // _PAGE * _PAGE
    length = (address + n_bytes - first) // _PAGE * _PAGE
    advise = ctypes.CDLL(None, use_errno=True).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if advise(first, length, _ADVISE_HUGE) != 0:
        return False
    advise(first, length, _COLLAPSE)  # newer kernels only; else the system does it by and by
    return True
