"""The committed OpenAPI document is sound: an outside linter finds nothing to object to.

That the document is what the code says is another test's matter.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from addresses import DOCUMENT
from tools import ROOT, needs


def lint(document: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter with the project's rules over `document`, sending nothing anywhere."""
    rules = ROOT / "openapi" / "redocly.yaml"
    command: list[str | Path] = [needs("node"), needs("redocly"), "lint", "--config", rules, document]
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **quiet}, capture_output=True, text=True, timeout=120, check=False
    )


def test_linter_accepts_the_committed_document() -> None:
    result = lint(DOCUMENT)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("fault", ["operationId", "security"])
def test_linter_objects_to_a_broken_document(tmp_path: Path, fault: str) -> None:
    """The rules are on: a document that names no operation, or says not who may call it, is refused."""
    document = json.loads(DOCUMENT.read_text())
    del document["paths"]["/v1/feed"]["get"][fault]
    broken = tmp_path / "openapi.json"
    broken.write_text(json.dumps(document))

    result = lint(broken)

    assert result.returncode == 1
    assert fault in result.stderr + result.stdout
