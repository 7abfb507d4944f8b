"""The pages say what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from detectors import registry


@pytest.mark.parametrize("name", registry.names())
def test_each_detector_has_a_page_that_is_true(name: str, root: Path) -> None:
    """Its parameters, defaults and ranges are those of the code; its example builds."""
    page = (root / f"docs/detectors/{name}.md").read_text()
    description = registry.describe(name)
    for p in description.parameters:
        default = f"`{p.default}`" if p.default else ""
        assert f"| `{p.name}` | {p.type} | {default} | {p.range} | {p.text} |" in page
    article = "a" if description.scope == "sensor" else "an"
    assert f"{description.bytes_per_sensor} bytes {article} {description.scope}" in page
    assert f"({name}.md)" in (root / "docs/detectors/README.md").read_text()

    block = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert block
    example = tomllib.loads(block[1])
    assert example["detector"] == name
    params = example["monitor"]["params"]
    unit = re.search(r"# of sensors in (\S+)", block[1])
    assert unit
    one = np.ones(1)
    registry.build(name, params, -one, one, one, unit[1])
