"""The page on best bets, held to what it describes."""

import importlib.util
import json
import re
from pathlib import Path

from leadfeed_api.organizations.tier_settings import Tiers, TiersPatch

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_picture_is_what_the_rules_draw_now() -> None:
    """When it is not: ``.venv/bin/python docs/best_bets_picture.py``, and look at it."""
    found = importlib.util.spec_from_file_location("best_bets_picture", DOCS / "best_bets_picture.py")
    assert found is not None
    assert found.loader is not None
    picture = importlib.util.module_from_spec(found)
    found.loader.exec_module(picture)
    assert picture.PICTURE.read_text(encoding="utf-8") == picture.draw()


def test_the_example_of_settings_is_accepted() -> None:
    (block,) = re.findall(r"```json\n(.+?)```", (DOCS / "best-bets.md").read_text(encoding="utf-8"), re.DOTALL)
    TiersPatch.model_validate(json.loads(block)["tiers"])


def test_the_defaults_are_those_it_names() -> None:
    text = (DOCS / "best-bets.md").read_text(encoding="utf-8")
    tiers = Tiers()
    for cut in (tiers.stars, tiers.flames):
        one, two, three = (f"{share:g}" for share in cut.top_percent or ())
        assert f"{one}, {two}, {three}" in text
        prose = rf"best\s+{one} %.+?best {two} %.+?best {three} %"
        assert re.search(prose, text, re.DOTALL)
    assert f"{tiers.window_days} days by default" in text
    assert f"({tiers.hide_days} when they do not say)" in text
    assert f"{tiers.starred_from.flames} flames, {tiers.starred_from.stars} stars" in text
