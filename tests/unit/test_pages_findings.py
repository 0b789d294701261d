"""What the pages of plans, sweeps and policies say, against findings written by hand."""

import json
from dataclasses import replace

import pytest

from simulator.planning.estimate import Estimate
from simulator.planning.formula import FormulaKind
from simulator.planning.plan_text import plan_lines
from simulator.planning.result import CurvePoint
from simulator.planning.target import Target
from simulator.report.pages import Page, render
from simulator.report.pages.plan_page import plan_page
from simulator.report.pages.policies_page import policies_page
from simulator.report.pages.sweep_page import sweep_page
from tests import page_source
from tests.planner_samples import OTHER, comparison, plan, point, sensitivity, share, sweep


def seen(page: Page) -> page_source.Page:
    return page_source.Page(render(page).decode("utf-8").replace("\u202f", " "))


def words(source: page_source.Page) -> str:
    return " ".join(source.text.split())


def table(source: page_source.Page, name: str) -> list[list[str]]:
    return [[" ".join(cell.split()) for cell in row] for row in source.tables[name]]


def chart(source: page_source.Page, key: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(source.scripts[0][1])[key]
    return found


def test_a_plan_says_its_answer_and_how_sure_it_is() -> None:
    text = words(seen(plan_page(plan(), "busyhour plan office.yaml --target 'blocking<0.01'")))
    for said in (
        "50 slots for blocking below 1 %, with 95 % confidence",
        "The truth lies between 49 and 50 slots",
        "busyhour plan office.yaml --target 'blocking<0.01'",
        "d" * 64,
        "One run offers 1 234 calls, 40.25 erlang",
        "For it to be within the target as well, 53 slots are needed (+3).",
        # The third of four quarters with the same calls has twice the losses of the average, not
        # half: 2 of 2 + 3 * 0.5.
        "30m to 45m has 25 % of the calls and 57 % of the losses.",
        "average 48.5 erlang there and 40.2 over the run. Blocking grows much faster than load",
        "0.20 % would be left with room for all",
        "b|b is above 1 % by itself.",
        "Modified offered load is Erlang B of the load at each instant",
        "rejected callers try again [both].",
        "the rate varies [Erlang B].",
        "Losses come in clusters.",
    ):
        assert said in text


def test_a_worst_interval_that_may_be_chance_is_not_explained_away() -> None:
    found = plan()
    low = Estimate(0.018, 0.0089, 0.027)
    points = tuple(
        replace(
            each,
            worst_interval=(worst := replace(each.intervals[2], blocking=low)),
            intervals=(*each.intervals[:2], worst, each.intervals[3]),
        )
        for each in found.points
    )
    text = words(seen(plan_page(replace(found, points=points), "")))
    assert "What it loses could be chance" in text
    assert "Blocking grows much faster" not in text


def test_calls_and_time_are_kept_apart() -> None:
    rows = table(seen(plan_page(plan(), "")), "around")
    assert rows[0][1:3] == ["Blocking (of calls)", "Time congestion (of time)"]
    assert rows[2][:3] == ["50", "0.90 % 0.72 to 1.08 %", "0.54 % 0.43 to 0.65 %"]


def test_the_curve_is_logarithmic_with_the_formula_beside_it() -> None:
    found = plan()
    data = chart(seen(plan_page(found, "")), "curve-chart")
    y, lines, marks = data["y"], data["lines"], data["marks"]
    assert isinstance(y, dict)
    assert isinstance(lines, list)
    assert isinstance(marks, list)
    assert y["log"]
    assert lines[0]["values"] == pytest.approx([0.04 / 2**place for place in range(7)])
    assert [line["label"] for line in lines[1:]] == [
        "Erlang B, for the average load",
        "Modified offered load, an approximation",
    ]
    # By hand: halved at each step, as long as it is above the 0.0625 % at the end of the curve.
    assert lines[1]["values"] == pytest.approx([0.06 / 2**place for place in range(7)])
    assert lines[2]["values"] == [*(0.03 / 2**place for place in range(6)), None]
    assert [(mark["at"], mark["across"]) for mark in marks] == [(0.01, True), (50.0, False)]


def test_the_curve_says_when_it_rests_on_fewer_runs() -> None:
    said = "The curve rests on 16 of the 64 runs"
    assert said in words(seen(plan_page(plan(), "")))
    same = replace(plan(), curve_replications=64)
    assert "The curve rests on" not in words(seen(plan_page(same, "")))


def test_what_formulas_say_stands_beside_the_simulation() -> None:
    assert table(seen(plan_page(plan(), "")), "formula-table") == [
        ["", "Slots", "Blocking with 50 slots", "The load it goes by"],
        ["simulation", "50", "0.90 % 0.72 to 1.08 %", "40.25 E on average, measured"],
        ["Erlang B", "53", "1.73 %", "40.25 E on average, measured"],
        ["modified offered load", "48", "0.81 %", "48.75 E at its largest, after 44m"],
    ]


def test_formulas_are_not_followed_below_what_was_simulated() -> None:
    found = plan()
    low = replace(found.erlang_b, at_limits=(1e-2, 1e-3, 6e-4, 1e-5, 0.0, 0.0, 0.0))
    lines = chart(seen(plan_page(replace(found, formulas=(low,)), "")), "curve-chart")["lines"]
    assert isinstance(lines, list)
    # The least simulated share is 0.0625 %.
    assert lines[1]["values"] == [1e-2, 1e-3, None, None, None, None, None]
    nothing = replace(found.erlang_b, at_limits=(0.0,) * 7)
    lines = chart(seen(plan_page(replace(found, formulas=(nothing,)), "")), "curve-chart")["lines"]
    assert isinstance(lines, list)
    assert len(lines) == 1


def test_a_formula_that_holds_says_so() -> None:
    found = plan()
    exact = replace(found.erlang_b, kind=FormulaKind.CAPS_AND_MINIMA, slots=49, unknown=())
    text = words(seen(plan_page(replace(found, formulas=(found.erlang_b, exact)), "")))
    assert "exact here" in text
    assert "so the difference of +1 slots is the caution of the interval." in text
    assert "rejected callers try again [Erlang B]." in text


def test_a_plan_for_one_tenant_has_no_formula_of_all_calls() -> None:
    found = replace(
        plan(),
        target=Target("blocking", 0.01, is_strict=False, tenant="acme"),
        target_values=tuple(CurvePoint(limit, share(4.5)) for limit in (49, 50, 51)),
    )
    source = seen(plan_page(found, ""))
    assert "for blocking of acme of at most 1 %" in words(source)
    lines = chart(source, "curve-chart")["lines"]
    assert isinstance(lines, list)
    assert [line["label"] for line in lines] == [
        "Simulated, blocking of acme",
        "Modified offered load, an approximation",
    ]
    # The tenant's own figure stands beside the formula's, not that of all calls.
    assert table(source, "formula-table")[1][2] == "0.45 % 0.36 to 0.54 %"
    alone = replace(found, formulas=found.formulas[:1])
    assert "No formula gives acme by itself here" in words(seen(plan_page(alone, "")))
    everybody = replace(found.erlang_b, unknown=())
    lines = chart(seen(plan_page(replace(found, formulas=(everybody,)), "")), "curve-chart")[
        "lines"
    ]
    assert isinstance(lines, list)
    assert len(lines) == 2


def test_sensitivity_says_what_is_needed_and_where_nothing_is_enough() -> None:
    source = seen(plan_page(plan(), ""))
    rows = table(source, "sensitivity-table")
    assert rows[1][:3] == ["as it is (by the average)", "49 47 to 52", "0"]
    assert rows[2] == ["load −25 %", "37 36 to 39", "−12", "0.010 % 0.0080 to 0.012 %"]
    assert rows[3][:3] == ["load +25 %", "none is enough", "–"]
    assert rows[5][:3] == ["holding time +10 %", "54 52 or more", "+5"]
    # A lost node is made up for from the answer, 50, not from the average's 49.
    assert rows[6][:3] == ["a node of 8 slots lost", "58", "+8"]
    assert "By the average of 12 runs, 49 slots (47 to 52) meet the target as it is" in words(
        source
    )
    bars = [" ".join(row[-1].split()) for row in source.tables["needed-bars-rows"][1:5]]
    assert bars == [
        "−25 % 37 (36 to 39)",
        "+25 % none is enough",
        "−10 % 45 (44 to 47)",
        "+10 % 54 (52 or more)",
    ]
    assert (
        "With a node of 8 slots lost, 42 are left and blocking is 4.00 % (3.20 to 4.80 %); 58 "
        "slots keep 50 in that case." in words(source)
    )
    assert "the load of few callers is varied by their number" in words(source)
    unmet = replace(plan(), sensitivity=replace(sensitivity(), base=None))
    source = seen(plan_page(unmet, ""))
    assert "These 12 runs meet the target with no number of slots" in words(source)
    assert [row[2] for row in table(source, "sensitivity-table")[1:3]] == ["–", "–"]
    plain = replace(plan(), with_room_for_all=None)
    assert "tenants' own limits turn away" not in words(seen(plan_page(plain, "")))


def test_growth_says_how_long_the_answer_lasts() -> None:
    source = seen(plan_page(plan(), ""))
    assert "50 slots last for 1 of 3 months." in words(source)
    assert (
        "Month 2 needs 52 slots (50 or more). From month 3 on no number of slots meets the target"
        in words(source)
    )
    assert [row[:3] for row in table(source, "growth-table")[1:]] == [
        ["1", "+3.0 %", "51 49 to 54"],
        ["2", "+6.1 %", "52 50 or more"],
        ["3", "+9.3 %", "none is enough"],
    ]
    lines = chart(source, "growth-needed")["lines"]
    assert isinstance(lines, list)
    assert lines[0]["values"] == [49, 51, 52, None]
    # Where there is no upper end there is no band.
    assert lines[0]["low"] == [47, 49, None, None]
    assert lines[0]["high"] == [52, 54, None, None]


def test_what_was_not_asked_for_is_not_there() -> None:
    found = plan()
    bare = replace(
        found,
        sensitivity=None,
        interval_us=None,
        offered=(),
        concurrency=(),
        points=tuple(
            replace(each, intervals=(), worst_interval=None, tenants={"acme": each.tenants["acme"]})
            for each in found.points
        ),
        formulas=(replace(found.erlang_b, slots=None, unknown=()),),
    )
    source = seen(plan_page(bare, ""))
    ids = {attrs.get("id") for tag, attrs in source.tags if tag == "section"}
    assert ids == {"curve", "calls-and-time", "formula", "assumptions", "origin", None}
    assert "Erlang B says" not in source.text


def test_time_congestion_as_a_target_is_a_share_of_time() -> None:
    found = replace(
        plan(),
        target=Target("time_congestion", 0.01, is_strict=True),
        target_values=tuple(CurvePoint(limit, share(5.4)) for limit in (49, 50, 51)),
    )
    source = seen(plan_page(found, ""))
    assert "share of time, log scale" in words(source)
    assert table(source, "formula-table")[1][2] == "0.54 % 0.43 to 0.65 %"
    assert "by themselves" not in words(source)


def test_one_key_is_a_line_in_the_order_of_its_numbers() -> None:
    found = sweep()
    source = seen(sweep_page(replace(found, points=found.points[::-1]), ""))
    data = chart(source, "shares")
    x, lines = data["x"], data["lines"]
    assert isinstance(x, dict)
    assert isinstance(lines, list)
    assert x["values"] == [40, 50, 60]
    assert lines[0]["values"] == [0.008, 0.004, 0.002]
    assert [line["label"] for line in lines] == [
        "Blocking, of calls",
        "Time congestion, of time",
        "Blocking in the worst interval",
    ]


def test_values_that_are_no_numbers_stand_in_their_order() -> None:
    found = sweep()
    names = ("short", "long", "{type: gamma}")
    points = tuple(
        replace(each, values=(name,)) for each, name in zip(found.points, names, strict=True)
    )
    x = chart(seen(sweep_page(replace(found, points=points), "")), "shares")["x"]
    assert isinstance(x, dict)
    assert x["texts"] == list(names)
    assert x["labels"] == list(names)


def test_two_keys_are_lines_and_a_map() -> None:
    source = seen(sweep_page(sweep(2), ""))
    lines = chart(source, "lines")["lines"]
    assert isinstance(lines, list)
    assert [line["label"] for line in lines] == [
        "tenants.*.arrivals.erlangs x1",
        "tenants.*.arrivals.erlangs x1.5",
    ]
    # Points by hand: 64, 32, ... 2 per mille, the second key fastest.
    assert lines[0]["values"] == [0.064, 0.016, 0.004]
    assert [[cell.split(" (")[0] for cell in row] for row in table(source, "heat-blocking")] == [
        ["", "x1", "x1.5"],
        ["40", "6.40 % 5.12 to 7.68 %", "3.20 % 2.56 to 3.84 %"],
        ["50", "1.60 % 1.28 to 1.92 %", "0.80 % 0.64 to 0.96 %"],
        ["60", "0.40 % 0.32 to 0.48 %", "0.20 % 0.16 to 0.24 %"],
    ]
    heats = [
        float((attrs.get("style") or "").removeprefix("--heat:").removesuffix("%"))
        for tag, attrs in source.tags
        if tag == "td" and "heat" in (attrs.get("class") or "")
    ]
    assert heats[:6] == [100, 80, 60, 40, 20, 0]


def test_three_keys_are_a_table_of_every_point() -> None:
    source = seen(sweep_page(sweep(3), ""))
    assert json.loads(source.scripts[0][1]) == {}
    rows = table(source, "points-table")
    assert len(rows) == 13
    assert rows[-1][:4] == ["60", "x1.5", "{type: exponential, mean: 30s}", "0.20 % 0.16 to 0.24 %"]


def test_a_sweep_of_one_point_and_one_without_offers_are_shown() -> None:
    found = sweep()
    nothing = replace(
        point(40, 1, intervals=0),
        blocking=None, first_attempt_blocking=None, eventual_loss=None, occupancy=None,
        time_congestion=Estimate(0.0, 0.0, 0.0),
    )  # fmt: skip
    points = tuple(replace(each, figures=nothing) for each in found.points)
    for few in (points, points[:1]):
        rows = table(
            seen(sweep_page(replace(found, points=few, interval_us=None), "")), "points-table"
        )
        assert rows[1][:3] == ["40", "–", "0 % 0 to 0 %"]


def test_policies_say_who_loses_more_than_in_one_pool_beyond_chance() -> None:
    source = seen(policies_page(comparison(), ""))
    rows = table(source, "tenants-table")
    assert rows[0] == ["Tenant", "as written", "one pool", "own pools"]
    # as written: perhaps less, by chance; own pools: surely more.
    assert rows[1] == [
        "acme",
        "0.45 % 0.36 to 0.54 %",
        "0.50 % 0.40 to 0.60 %",
        "2.00 % + 1.60 to 2.40 %",
    ]
    assert table(source, "lost-table")[1][2] == "−0.10 % −0.40 to +0.20 %, may be chance"
    assert table(source, "lost-table")[3][2] == "+3.00 % +2.00 to +4.00 %"


def test_policies_say_what_they_cost_and_what_they_set() -> None:
    source = seen(policies_page(comparison(), ""))
    assert table(source, "cost-table")[1:] == [
        ["as written", "none", "–", "–", "–", "none"],
        ["one pool", "52", "50 to 55", "–", "−8", "70"],
        ["own pools", "60", "57 or more", "+8", "–", "61"],
    ]
    text = words(source)
    assert "as written: no number of slots is enough; acme may hold too few." in text
    assert "tenants.acme.max_concurrent_calls=30" in text
    assert table(source, "parameters-table")[1][3] == "at most 30, keeps 5"
    assert table(source, "parameters-table")[2][3] == "leaves 3 free, rank 2"
    assert table(source, "overload-table")[1] == [
        "as written", OTHER, "+2.00 % +1.00 to +3.00 %", "1 of 1 others",
    ]  # fmt: skip
    assert table(source, "unfair-table")[1][3:5] == ["2.00", "0.9876"]


def test_shares_of_every_size_can_be_read() -> None:
    found = plan()
    tiny = replace(found.points[1], blocking=share(0.0123), time_congestion=share(1000))
    points = (found.points[0], tiny, found.points[2])
    rows = table(seen(plan_page(replace(found, points=points), "")), "around")
    assert rows[2][1].startswith("0.0012 %")
    assert rows[2][2].startswith("100.00 %")


def test_a_share_too_small_to_read_says_so() -> None:
    found = plan()
    nearly_none = replace(found.erlang_b, at_answer=3e-12)
    page = plan_page(replace(found, formulas=(nearly_none,)), "")
    assert table(seen(page), "formula-table")[2][2] == "< 0.000001 %"
    lines = "\n".join(plan_lines(replace(found, formulas=(nearly_none,))))
    assert " <0.000001 %" in lines
    assert "Erlang B" in lines
