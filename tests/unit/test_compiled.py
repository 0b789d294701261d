"""Kernels compile wherever the program is installed."""

import pytest

from simulator.compiled import compile_kernel


def plus_one(number: int) -> int:
    return number + 1


@pytest.mark.parametrize("has_a_place", [True, False])
def test_a_kernel_compiles_with_or_without_a_place_to_keep_it(
    has_a_place: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numba
    from numba.core import caching

    if not has_a_place:
        # No directory can be written to: what numba finds in a read-only installation.
        monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
        with pytest.raises(RuntimeError, match="cannot cache"):
            numba.njit(plus_one, cache=True)
    assert compile_kernel(plus_one)(2) == 3
