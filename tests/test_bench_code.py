"""The benches are code like any other: what they draw and how they judge a figure, without measuring anything."""

import pytest
from bench.capacity import capacity
from bench.figures import Figure
from bench.picture import picture


@pytest.mark.parametrize(("target", "ours", "met"), [(">= 2", 3.0, True), (">= 2", 1.0, False), ("<= 2", 1.0, True)])
def test_a_figure_says_whether_its_median_reaches_the_target(target: str, ours: float, met: bool) -> None:
    figure = Figure("f", target, "about")
    for each in (ours, ours, 100.0 if met else ours):
        figure.add(each, 1.0)
    assert figure.as_dict()["met"] is met


def test_a_figure_without_a_target_reaches_none_and_is_not_in_the_picture() -> None:
    told, untold = Figure("told", ">= 2", "about"), Figure("untold", "", "about")
    for figure in (told, untold):
        figure.add(3.0, 1.0)
    drawn = picture({one.name: one.as_dict() for one in (told, untold)})
    assert untold.as_dict()["met"] is None
    assert "told" in drawn
    assert "untold" not in drawn


def test_capacity_is_calculated_from_what_was_measured_and_says_nothing_of_the_rest() -> None:
    measured = {"page_light_by_32": {"ours": 1_000.0}, "rss304_vs_noop": {"ours": 4_000.0}}
    assert "| pages of 50, one worker | 1,000/s | 500/s |" in capacity(measured)
    assert "calculated and not tried" not in capacity(measured)

    whole = capacity({**measured, "ingest_vs_sql": {"ours": 10_000.0}})
    assert "500 pages/s are 150,000 reps online" in whole
    assert "1,111/s: 3 workers" in whole
    assert "111/s, of 2,000 of one worker" in whole
    assert "fan-out 3.6 are 4 cores" in whole
