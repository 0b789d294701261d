"""What a target may say, and what is said of one that cannot be."""

import pytest

from simulator.planning.target import Target, TargetInvalid, parse_target

TENANTS = ("acme", "beta, inc")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("blocking<0.01", Target("blocking", 0.01, True)),
        (" blocking value <= 1e-3 ", Target("blocking", 0.001, False)),
        ("time_congestion<=0.05", Target("time_congestion", 0.05, False)),
        ("blocking{tenant:acme}<0.02", Target("blocking", 0.02, True, "acme")),
        ("blocking{tenant: beta, inc } < 0.02", Target("blocking", 0.02, True, "beta, inc")),
        ("blocking<1%", Target("blocking", 0.01, True)),
        ("time_congestion <= 0.7 %", Target("time_congestion", 0.007, False)),
        ("worst_interval_blocking<0.1", Target("worst_interval_blocking", 0.1, True)),
    ],
)
def test_targets_are_read(text: str, expected: Target) -> None:
    assert parse_target(text, TENANTS, has_interval=True) == expected


def test_a_target_is_written_as_it_is_read() -> None:
    for text in ("blocking<0.01", "blocking{tenant:acme}<=0.5"):
        assert str(parse_target(text, TENANTS, has_interval=False)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("blocking", "write it like blocking<0.01"),
        ("", "write it like blocking<0.01"),
        ("blockin<0.01", "did you mean 'blocking'"),
        ("peak_in_use<0.5", "not a statistic to plan for"),
        ("blocking>0.01", "use < or <="),
        ("blocking==0.01", "use < or <="),
        ("blocking<1%%", "no number to compare with"),
        ("blocking<1pc", "blocking<1%"),
        ("blocking<100%", "between 0% and 100%"),
        ("blocking<", "no number to compare with"),
        ("blocking<1", "between 0 and 1"),
        ("blocking<0", "between 0 and 1"),
        ("blocking{tenant:acm}<0.01", "did you mean 'acme'"),
        ("eventual_loss{tenant:acme}<0.01", "known of all calls only"),
        ("worst_interval_blocking<0.01", "needs --worst-interval"),
    ],
)
def test_what_no_plan_can_aim_at_is_refused(text: str, said: str) -> None:
    with pytest.raises(TargetInvalid, match=said):
        parse_target(text, TENANTS, has_interval=False)


def test_a_bound_is_met_strictly_or_not() -> None:
    assert not Target("blocking", 0.01, True).met_by(0.01)
    assert Target("blocking", 0.01, False).met_by(0.01)
