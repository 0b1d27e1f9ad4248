"""The rules of stars and flames. Pure: numbers in, tiers out; docs/best-bets.md says the same in words.

* A tier is 0-3. Three cut-offs, ascending, divide what is ranked: a value's tier is how many of them it reaches.
* **Dynamic** cut-offs come from percentages of the ranked values. A tier never holds more than its share, rounded up
  to whole leads; values that tie across an edge all fall below it. The lowest value of all is never lifted, so that
  where everyone is equal nobody stands out.
* **Static** cut-offs are numbers an administrator chose.
* The **score** ranks as it is, below zero too. The **change** ranks when it is a rise; a fall, no change and a first
  score do not. What does not rank is in tier 0. A change is counted in whole millionths: of scores with decimals equal
  changes would differ in their last bits, and 0.3 - 0.1 be less than a cut-off of 0.2.
* **Priority** is flames first, stars second (and the score last, which only orders a list).

This is their specification. Knows no table: ``placing`` says the same in SQL, which is what serves, and a property test
holds the two together.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from leadfeed_api.organizations.tier_settings import Source

Cutoffs = tuple[float, float, float]  # what tiers 1, 2 and 3 begin at; infinity where nobody reaches one
NOBODY: Cutoffs = (math.inf, math.inf, math.inf)
TIERS = 3
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """All that places a lead: what stars and flames rank, where their tiers begin, which priority is starred."""

    stars: Cutoffs
    flames: Cutoffs
    starred_from: int
    stars_by: Source = "score"
    flames_by: Source = "change"
    window_days: int = 7
    provisional: bool = False  # of an organisation that was never tiered


@dataclass(frozen=True, slots=True)
class Given:
    """A CRM's own priority for a lead; None where it has none."""

    stars: int | None = None
    flames: int | None = None
    starred: bool | None = None

    def __bool__(self) -> bool:
        return (self.stars, self.flames, self.starred) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Placement:
    """What a feed shows of a lead's priority."""

    stars: int = 0
    flames: int = 0
    starred: bool = False


NOT_GIVEN = Given()


def hundredths(percent: float) -> int:
    """A percentage as whole hundredths, so that shares are computed exactly."""
    return round(percent * 100)


def fitting(count: int, percent: float) -> int:
    """How many of ``count`` leads a bracket of ``percent`` holds at most: rounded up, so that a small team has one."""
    return -(-count * hundredths(percent) // 10_000)


def dynamic_cutoffs(values: Iterable[float], top_percent: Sequence[float], lowest: float | None = None) -> Cutoffs:
    """Where the tiers of these values begin.

    Args:
        values: what is ranked, in any order.
        top_percent: the shares of tiers 1, 2 and 3 and better, descending, such as (50, 20, 5).
        lowest: what no tier may begin at or below; by default the lowest of the values.
    """
    counted = sorted(Counter(values).items(), reverse=True)
    total = sum(count for _, count in counted)
    floor = min((value for value, _ in counted), default=0.0) if lowest is None else lowest
    reached = list(zip(counted, accumulate(count for _, count in counted), strict=True))

    def cutoff(percent: float) -> float:
        fits = fitting(total, percent)
        return min(
            (value for (value, _), at_or_above in reached if at_or_above <= fits and value > floor), default=math.inf
        )

    one, two, three = (cutoff(percent) for percent in top_percent)
    return one, two, three


def change(score: float | None, opening: float | None) -> float | None:
    """By how much a score differs from where its window opened; None without a score, or when it never moved."""
    return None if score is None or opening is None else round((score - opening) * MILLION) / MILLION


def rise(score: float | None, opening: float | None) -> float | None:
    """By how much a score is above where its window opened; None when it did not rise, or never moved."""
    up = change(score, opening)
    return up if up is not None and up > 0 else None


def tier(value: float | None, cutoffs: Cutoffs) -> int:
    """How many of the cut-offs the value reaches."""
    return 0 if value is None else bisect_right(cutoffs, value)


def priority(stars: int, flames: int) -> int:
    """Flames first, stars second, as one number from 0 to 15."""
    return flames * (TIERS + 1) + stars


def place(score: float | None, opening: float | None, rules: Rules, given: Given = NOT_GIVEN) -> Placement:
    """A lead's tiers, from its score now and the score its window opened with (None: it did not move).

    A CRM's own priority makes ours stand aside for that lead: what it left out of stars and flames counts as 0, and a
    star it left out follows from the rest.
    """
    ranked: dict[Source, float | None] = {"score": score, "change": rise(score, opening)}
    stars = (given.stars or 0) if given else tier(ranked[rules.stars_by], rules.stars)
    flames = (given.flames or 0) if given else tier(ranked[rules.flames_by], rules.flames)
    starred = priority(stars, flames) >= rules.starred_from if given.starred is None else given.starred
    return Placement(stars, flames, starred)
