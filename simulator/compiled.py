"""Compiling a kernel with numba. Importing this module is cheap; calling it loads numba."""

from collections.abc import Callable
from typing import Any


def compile_kernel(kernel: Callable[..., Any], *, cache: bool = True) -> Callable[..., Any]:
    """The compiled form of ``kernel``, kept on disk from run to run where there is a place for it.

    Without one (an installation that is read-only and no home to write to) it is compiled anew in
    every process, a second or two; so it is without ``cache``, which a kernel needs that calls
    functions of other modules: what is kept would outlive a change of theirs.
    """
    import numba

    if not cache:
        return _compiled(numba, kernel, cache=False)

    try:
        return _compiled(numba, kernel, cache=True)
    except RuntimeError:
        # What numba raises when neither the module's directory nor the user's can be written to.
        return _compiled(numba, kernel, cache=False)


def _compiled(numba: Any, kernel: Callable[..., Any], *, cache: bool) -> Callable[..., Any]:
    function: Callable[..., Any] = numba.njit(kernel, cache=cache, nogil=True)
    return function
