"""How the kernel's functions are compiled: cached on disk, without the interpreter's lock.

Arguments that are literals make numba compile a function once more for each value, so what is
constant at a call is passed as ``np.int64(0)`` or ``np.bool_(True)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """A function of its own."""
    return cast(_F, njit(nogil=True, cache=True, error_model="numpy")(function))


def inlined(function: _F) -> _F:
    """A small function that is written into its callers."""
    return cast(_F, njit(inline="always")(function))
