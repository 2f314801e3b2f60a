"""What every benchmark prints and leaves behind: the machine, and each figure with its ratio to a limit or a peer."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

FOLDER = Path(".local/bench")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value; ``ratio`` is it divided by the value of the figure called ``to``."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    to: str | None = None


class Report:
    """The figures of one benchmark, in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.figures: list[Figure] = []

    def add(self, name: str, value: float, unit: str, to: str | None = None) -> None:
        """Add a figure, compared with an earlier one."""
        ratio = value / self.value(to) if to else None
        self.figures.append(Figure(name, value, unit, ratio, to))
        print(f"{name}: {value:,.2f} {unit}", flush=True)

    def add_ratio(self, name: str, of: str, to: str) -> None:
        """Add the ratio of two earlier figures as a figure with a name of its own."""
        value = self.value(of) / self.value(to)
        self.figures.append(Figure(name, value, "ratio", value, to))

    def value(self, name: str) -> float:
        """The value of an earlier figure."""
        return next(figure.value for figure in self.figures if figure.name == name)

    def finish(self) -> None:
        """Print the table and write ``.local/bench/NAME.json``."""
        table = Table(title=f"{self.name}: {machine()}")
        for heading in ("figure", "value", "unit", "ratio", "to"):
            table.add_column(heading, justify="right" if heading in ("value", "ratio") else "left")
        for one in self.figures:
            ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
            table.add_row(one.name, f"{one.value:,.2f}", one.unit, ratio, one.to or "")
        Console(width=140).print(table)
        FOLDER.mkdir(parents=True, exist_ok=True)
        content = {"machine": machine(), "figures": [asdict(one) for one in self.figures]}
        (FOLDER / f"{self.name}.json").write_text(json.dumps(content, indent=2) + "\n")


def machine() -> str:
    """Cores, memory and versions of what was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {system}"
