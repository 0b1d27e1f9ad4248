"""The figures that have a target, as a picture: how near each came. Pure: figures in, SVG out.

One bar a figure, from its worst run to its best with a mark at the median; the line in the middle is the target. The
scale is logarithmic, and to the right is always better, also where less is what is wanted.
"""

import math
from collections.abc import Mapping
from xml.sax.saxutils import escape

WIDTH, LEFT, ROW, TOP = 760, 250, 26, 34
SPAN = 8.0  # times the target, to either side
MET, MISSED = "#2a7f62", "#b4452f"


def picture(figures: Mapping[str, Mapping[str, object]]) -> str:
    """The document."""
    rows = [(name, row) for name, row in figures.items() if row["target"]]
    height = TOP + ROW * len(rows) + 12
    drawn = "".join(_row(name, row, TOP + ROW * index) for index, (name, row) in enumerate(rows))
    middle = _x(1.0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12"><title>Figures against their targets</title>'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
        f'<text x="{middle}" y="18" text-anchor="middle" fill="#444">target</text>'
        f'<line x1="{middle}" y1="24" x2="{middle}" y2="{height - 8}" stroke="#888"/>{drawn}</svg>\n'
    )


def _row(name: str, row: Mapping[str, object], top: int) -> str:
    sign, limit = str(row["target"]).split()
    low, median, high = sorted(_share(sign, float(limit), float(str(row[which]))) for which in ("min", "median", "max"))
    colour, centre = (MET if row["met"] else MISSED), top + ROW // 2
    return (
        f'<text x="{LEFT - 12}" y="{centre + 4}" text-anchor="end" fill="#222">{escape(name)}</text>'
        f'<line x1="{_x(low)}" y1="{centre}" x2="{_x(high)}" y2="{centre}" stroke="{colour}" stroke-width="3"/>'
        f'<circle cx="{_x(median)}" cy="{centre}" r="5" fill="{colour}"/>'
        f'<text x="{WIDTH - 8}" y="{centre + 4}" text-anchor="end" fill="#222">{row["median"]} ({escape(sign)} {limit})'
        f"</text>"
    )


def _share(sign: str, limit: float, value: float) -> float:
    return value / limit if sign == ">=" else limit / value


def _x(share: float) -> int:
    place = math.log(min(max(share, 1 / SPAN), SPAN)) / math.log(SPAN)
    return round(LEFT + (WIDTH - LEFT - 110) * (place + 1) / 2)
