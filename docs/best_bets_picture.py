"""Draws docs/images/best-bets.svg: stars, flames and priority of a made-up team's leads, by the rules as specified.

    .venv/bin/python docs/best_bets_picture.py

The scores are invented, with a fixed seed; every tier in the picture comes from ``leadfeed_api.best_bets.tiers`` under
the default settings. A test draws it again and compares, so the picture cannot drift from the rules.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from leadfeed_api.best_bets.cutoffs import provisional_rules
from leadfeed_api.best_bets.tiers import Cutoffs, Rules, dynamic_cutoffs, place, priority, rise, tier
from leadfeed_api.organizations.tier_settings import Tiers

PICTURE = Path(__file__).parent / "images" / "best-bets.svg"
LEADS = 1_000
INK, MUTED, LINE, PAPER = "#1d2233", "#5b6175", "#d9dce6", "#ffffff"
STAR_INKS = ("#dfe2ea", "#f2dc9b", "#e6b43c", "#b87a00")
FLAME_INKS = ("#dfe2ea", "#f6c6ad", "#ec8a5c", "#c8431a")
FLAME = "M0,-9 C4,-4 6,-1 6,3 C6,7 3,9 0,9 C-3,9 -6,7 -6,3 C-6,0 -4,-1 -3,-4 C-2,-2 -1,-2 0,-9 Z"
STYLE = f"""
  text {{ font-family: system-ui, sans-serif; fill: {INK}; font-size: 13px }}
  .title {{ font-size: 17px; font-weight: 600 }} .small {{ font-size: 12px; fill: {MUTED} }}
  .count {{ font-size: 16px; font-weight: 600 }} .middle {{ text-anchor: middle }} .end {{ text-anchor: end }}
"""
Lead = tuple[float, float | None]  # the score now, and a week ago where it moved


def leads(rng: random.Random) -> list[Lead]:
    """Scores as marketing systems give them: many low, few high; one in six moved within the week."""
    found: list[Lead] = []
    for _ in range(LEADS):
        score = float(min(round(rng.expovariate(1 / 24)), 118))
        moved = rng.random() < 1 / 6
        found.append((score, max(score - round(rng.gauss(9, 11)), 0.0) if moved else None))
    return found


def rules_of(found: Sequence[Lead], tiers: Tiers) -> Rules:
    """The rules that a night would make of these leads."""
    usual = provisional_rules(tiers)
    risers = [up for score, opening in found if (up := rise(score, opening)) is not None]
    return Rules(
        stars=dynamic_cutoffs([score for score, _ in found], tiers.stars.top_percent or ()),
        flames=dynamic_cutoffs(risers, tiers.flames.top_percent or (), lowest=0),
        starred_from=usual.starred_from,
    )


def draw() -> str:
    """The whole picture."""
    tiers, found = Tiers(), leads(random.Random(7))  # noqa: S311  the same picture every time
    rules = rules_of(found, tiers)
    risers = [up for score, opening in found if (up := rise(score, opening)) is not None]
    parts = [
        *_histogram(
            "Stars: how high the score is", f"{LEADS:,} leads by score", [score for score, _ in found],
            rules.stars, tiers.stars.top_percent or (), STAR_INKS, _star, top=20, grid=20,
        ),
        *_histogram(
            "Flames: how far it rose this week", f"the {len(risers)} leads that rose, by points gained", risers,
            rules.flames, tiers.flames.top_percent or (), FLAME_INKS, _flame, top=330, grid=5,
        ),
        *_order(Counter((p.flames, p.stars) for p in (place(*lead, rules) for lead in found)), rules.starred_from),
    ]  # fmt: skip
    label = "Three charts: leads by score cut into stars, leads by rise cut into flames, and the order of priority"
    body = "\n".join(f"  {part}" for part in parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 640" role="img" aria-label="{label}">\n'
        f'  <style>{STYLE}  </style>\n  <rect width="960" height="640" fill="{PAPER}"/>\n{body}\n</svg>\n'
    )


def _histogram(
    title: str,
    caption: str,
    values: Sequence[float],
    cutoffs: Cutoffs,
    shares: Sequence[float],
    inks: Sequence[str],
    symbol: Callable[[float, float, str], str],
    *,
    top: int,
    grid: int,
) -> Iterator[str]:
    left, width, base = 40, 530, top + 250
    heights = Counter(round(value) for value in values)
    column, scale = width / (max(heights) + 1), 150 / max(heights.values())
    yield f'<text class="title" x="{left}" y="{top + 16}">{title}</text>'
    yield f'<text class="small" x="{left}" y="{top + 36}">{caption}</text>'
    for value, many in sorted(heights.items()):
        ink = inks[tier(value, cutoffs)]
        yield _bar(left + value * column, base - many * scale, column - 1, many * scale, ink)
    yield f'<line x1="{left}" y1="{base + 0.5}" x2="{left + width}" y2="{base + 0.5}" stroke="{MUTED}"/>'
    for value in range(0, max(heights) + 1, grid):
        yield f'<text class="small middle" x="{left + (value + 0.5) * column:.1f}" y="{base + 18}">{value}</text>'
    for level, (cutoff, share) in enumerate(zip(cutoffs, shares, strict=True), 1):
        x, y = left + cutoff * column - 0.5, top + 54 + (level - 1) * 24
        yield f'<line x1="{x:.1f}" y1="{y + 8}" x2="{x:.1f}" y2="{base}" stroke="{inks[3]}" stroke-dasharray="3 3"/>'
        room = 145 + level * 17
        begin = x if x + room < left + width + 75 else x - room  # on the other side of its line where there is no room
        yield from (symbol(begin + 10 + n * 17, y, inks[3]) for n in range(level))
        yield f'<text x="{begin + 6 + level * 17:.1f}" y="{y + 5}">from {cutoff:g}: the best {share:g} %</text>'


def _order(count: Mapping[tuple[int, int], int], starred_from: int) -> Iterator[str]:
    left, top, side = 684, 120, 62
    yield f'<text class="title" x="{left - 54}" y="36">Priority: flames first, then stars</text>'
    yield f'<text class="small" x="{left - 54}" y="56">leads at each place; the small number is its turn</text>'
    for column in range(4):
        yield from (_star(left + column * side + side / 2 + shift, 92, STAR_INKS[3]) for shift in _spread(column))
        if not column:
            yield f'<text class="small middle" x="{left + side / 2}" y="96">none</text>'
    for row, flames in enumerate(range(3, -1, -1)):
        y = top + row * side
        yield from (_flame(left - 28 + shift, y + side / 2, FLAME_INKS[3]) for shift in _spread(flames))
        if not flames:
            yield f'<text class="small middle" x="{left - 28}" y="{y + side / 2 + 4}">none</text>'
        for stars in range(4):
            x, turn = left + stars * side, 16 - priority(stars, flames)
            best = priority(stars, flames) >= starred_from
            yield _cell(x + 2, y + 2, side - 4, best=best)
            yield f'<text class="small" x="{x + 9}" y="{y + 18}">{turn}</text>'
            yield f'<text class="count middle" x="{x + side / 2}" y="{y + 42}">{count.get((flames, stars), 0)}</text>'
    foot = top + 4 * side + 34
    starred = sum(many for (flames, stars), many in count.items() if priority(stars, flames) >= starred_from)
    yield _cell(left - 54, foot - 14, 18, best=True)
    yield f'<text x="{left - 28}" y="{foot}">a best bet: its moments carry the star</text>'
    text = f"{starred} of {LEADS:,} leads by the default settings"
    yield f'<text class="small" x="{left - 28}" y="{foot + 20}">{text}</text>'


def _spread(symbols: int) -> list[float]:
    """Where so many symbols stand, side by side around the middle."""
    return [17 * (n - (symbols - 1) / 2) for n in range(symbols)]


def _cell(x: float, y: float, side: float, *, best: bool) -> str:
    fill, edge = ("#fff6dd", STAR_INKS[2]) if best else ("#f7f8fb", LINE)
    return f'<rect x="{x}" y="{y}" width="{side}" height="{side}" rx="5" fill="{fill}" stroke="{edge}"/>'


def _bar(x: float, y: float, width: float, height: float, ink: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{ink}"/>'


def _star(x: float, y: float, ink: str) -> str:
    points = (
        (x + radius * math.sin(n * math.pi / 5), y - radius * math.cos(n * math.pi / 5))
        for n, radius in enumerate([8.0, 3.4] * 5)
    )
    return f'<polygon points="{" ".join(f"{px:.1f},{py:.1f}" for px, py in points)}" fill="{ink}"/>'


def _flame(x: float, y: float, ink: str) -> str:
    return f'<path d="{FLAME}" transform="translate({x:.1f} {y:.1f})" fill="{ink}"/>'


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
