"""What the repository itself promises: it works with any package index, and its lock files are in step.

Reads git's list of files, so that what is ignored (a .venv, node_modules) is not held to it.
"""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import ROOT, needs

REQUIREMENTS = ROOT / "requirements"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Put together here, so that this file does not name what it looks for.
REGISTRIES = [
    ".".join(words)
    for words in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
    ]
]
REGISTRY = re.compile("|".join(map(re.escape, REGISTRIES)).encode())
# A path that exists on one person's machine, or a note left in a temporary folder.
WORKPLACE = re.compile(rb"(?<![\w.])/(?:home|Users|root|work)/\w+|/tmp/\S+\.(?:md|txt)\b")


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """The files git has or would add; none is looked at where this is no checkout."""
    # The owner may differ from the user, in a container: git would refuse without safe.directory.
    command = [str(needs("git")), "-c", "safe.directory=*", "ls-files", "-z"]
    command += ["--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    if listing.returncode != 0 and not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing says which files belong to the project")
    assert listing.returncode == 0, listing.stderr
    return [path for name in set(listing.stdout.split("\0")) - {""} if (path := ROOT / name).is_file()]


@pytest.mark.parametrize("pattern", [REGISTRY, WORKPLACE], ids=["package_registry", "path_of_one_machine"])
def test_no_file_names_a(pattern: re.Pattern[bytes], files: list[Path]) -> None:
    assert ROOT / "pyproject.toml" in files

    named = [
        f"{path.relative_to(ROOT)}: {found[0]!r}" for path in files if (found := pattern.search(path.read_bytes()))
    ]

    assert not named


def locked(name: str) -> dict[str, set[str]]:
    """Return the versions a lock file pins, by package; a package has several where they differ by Python version."""
    pins: dict[str, set[str]] = {}
    for line in (REQUIREMENTS / f"{name}.txt").read_text().splitlines():
        if pin := re.match(r"([\w.-]+)==([^\s;]+)", line):
            pins.setdefault(canonicalize_name(pin[1]), set()).add(pin[2])
    return pins


def wanted(name: str) -> Iterator[Requirement]:
    """Yield what a lock file is made from: parts of pyproject.toml, and the .in file of that name if there is one."""
    runtime = PYPROJECT["project"]["dependencies"]
    local = runtime + PYPROJECT["project"]["optional-dependencies"]["embedded"]
    parts = {
        "uv": [],
        "build": PYPROJECT["build-system"]["requires"],
        "runtime": runtime,
        "local": local,
        "dev": local + PYPROJECT["dependency-groups"]["dev"],
    }
    source = REQUIREMENTS / f"{name}.in"
    lines = [line for line in source.read_text().splitlines() if not line.startswith("#")] if source.exists() else []
    yield from map(Requirement, parts[name] + lines)


LOCKS = ["uv", "build", "runtime", "local", "dev"]


@pytest.mark.parametrize("name", LOCKS)
def test_lock_satisfies_what_it_is_made_from(name: str) -> None:
    pins = locked(name)
    requirements = list(wanted(name))

    assert requirements
    unmet = [
        str(requirement)
        for requirement in requirements
        if not (versions := pins.get(canonicalize_name(requirement.name)))
        or not all(requirement.specifier.contains(version) for version in versions)
    ]
    assert not unmet, "run `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_is_hashed(name: str) -> None:
    entries = re.split(r"\n(?=[\w])", (REQUIREMENTS / f"{name}.txt").read_text())
    pins = [entry for entry in entries if "==" in entry.partition("\n")[0]]

    assert pins
    assert not [entry.partition("\n")[0] for entry in pins if "--hash=sha256:" not in entry]


@pytest.mark.parametrize(("smaller", "larger"), [("runtime", "local"), ("build", "local"), ("local", "dev")])
def test_larger_lock_pins_the_same_versions(smaller: str, larger: str) -> None:
    """What is tested is what is shipped: the image installs `runtime`, the tests run on `dev`."""
    pins = locked(larger)

    assert not {package: versions for package, versions in locked(smaller).items() if pins.get(package) != versions}


def test_npm_lock_is_in_step_and_names_no_address() -> None:
    manifest = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]

    assert packages[""]["devDependencies"] == manifest
    for name, version in manifest.items():
        assert packages[f"node_modules/{name}"]["version"] == version, "pins are exact"
    installed = {path: package for path, package in packages.items() if path}
    assert not [path for path, package in installed.items() if "integrity" not in package or "resolved" in package]
