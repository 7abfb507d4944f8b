"""Draw the pictures of the detectors' pages, and say in the pages what is to be seen."""

from __future__ import annotations

import argparse
from pathlib import Path

from workbench.pictures import PICTURES
from workbench.pictures.costs import draw_costs, overview, read_costs
from workbench.pictures.drawing import draw
from workbench.pictures.pages import placed


def main() -> None:
    """Draw all pictures, or those that are named; and the costs, where a benchmark has measured them."""
    parser = argparse.ArgumentParser(prog="python -m workbench.pictures", description=__doc__)
    parser.add_argument("data", type=Path, help="folder in which the public sets lie")
    parser.add_argument("names", nargs="*", metavar="NAME", help="detectors, or costs; all if none is named")
    parser.add_argument("--docs", type=Path, default=Path("docs/detectors"), help="the pages (%(default)s)")
    parser.add_argument("--bench", type=Path, default=Path("build/bench.json"), help="measured costs (%(default)s)")
    options = parser.parse_args()
    pictures = options.docs / "pictures"
    pictures.mkdir(exist_ok=True)
    chosen = options.names or [*PICTURES, "costs"]
    for name in chosen:
        if name == "costs":
            continue
        file = pictures / f"{name}.png"
        found = draw(name, PICTURES[name], options.data, file)
        page = options.docs / f"{name}.md"
        page.write_text(placed(page.read_text(), name, PICTURES[name]))
        print(f"{name}: {found}, {file.stat().st_size / 1000:.0f} kB", flush=True)
    if "costs" in chosen and (costs := read_costs(options.bench)):
        draw_costs(costs, pictures / "costs.png")
        readme = options.docs / "README.md"
        readme.write_text(overview(readme.read_text(), costs))
        print(f"costs: {len(costs)} figures of {options.bench}")


if __name__ == "__main__":
    main()
