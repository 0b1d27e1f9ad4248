"""The benches are code like any other: what they draw and how they judge a figure, without measuring anything."""

import pytest
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
