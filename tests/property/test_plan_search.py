"""The search for the least limit, wherever it lies and whatever is guessed."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.planning.search import least_meeting


@settings(max_examples=300, deadline=None)
@given(
    floor=st.integers(1, 20),
    span=st.sampled_from([0, 1, 2, 50, 10**9]),
    place=st.floats(0, 1),
    guess=st.integers(-5, 10**9),
    step=st.integers(1, 100),
    width=st.integers(1, 16),
)
def test_the_least_limit_is_found(
    floor: int, span: int, place: float, guess: int, step: int, width: int
) -> None:
    ceiling = floor + span
    least = floor + round(place * (span + 1))
    asked: list[int] = []

    def met(limits: Sequence[int]) -> list[bool]:
        assert list(limits) == sorted(set(limits))
        assert limits
        asked.extend(limits)
        return [limit >= least for limit in limits]

    found = least_meeting(met, guess, floor=floor, ceiling=ceiling, step=step, width=width)
    assert found == (least if least <= ceiling else None)
    assert all(floor <= limit <= ceiling for limit in asked)
    assert len(asked) == len(set(asked))  # nothing is asked twice


def test_a_good_guess_needs_few_limits() -> None:
    asked: list[int] = []

    def met(limits: Sequence[int]) -> list[bool]:
        asked.extend(limits)
        return [limit >= 1029 for limit in limits]

    assert least_meeting(met, 1031, floor=1, ceiling=10**9, step=1, width=3) == 1029
    assert len(asked) <= 9
