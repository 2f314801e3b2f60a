"""Looks for bytes by which a check does not hold, led by which lines they reach: ``python -m tests.fuzz``.

``--seconds 60`` is for each check, ``NAME`` for one alone; ``NAME FILE`` shows again what was found; ``--seed 1`` looks
the same way each time. What was reached is kept in ``.local/fuzz``, so the next run goes on from there. A finding is a
file there and ends it with exit code 77.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import atheris
import click

READERS = ["fiks_cms", "gateway.multipart", "multipart", "gateway.ranges", "gateway.tus", "infra.crypto"]
with atheris.instrument_imports(include=READERS):
    from tests.fuzz.checks import CHECKS, LARGEST, planted

ALL = CHECKS | {"planted": (planted, CHECKS["range"][1])}


@click.command()
@click.argument("name", type=click.Choice(list(ALL)), required=False)
@click.argument("finding", type=click.Path(path_type=Path, exists=True), required=False)
@click.option("--seconds", default=60, help="For each check.")
@click.option("--seed", default=0, help="0: another one each time.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".local/fuzz"))
def main(name: str | None, finding: Path | None, seconds: int, seed: int, folder: Path) -> None:
    if name is None:
        for each in CHECKS:
            options = ("--seconds", str(seconds), "--seed", str(seed), "--folder", str(folder))
            subprocess.run([sys.executable, "-m", "tests.fuzz", each, *options], check=True)
    elif finding is not None:
        ALL[name][0](finding.read_bytes())
    else:
        look(name, seconds, seed, folder / name)


def look(name: str, seconds: int, seed: int, folder: Path) -> None:
    """Never returns: libFuzzer ends the process."""
    check, begins = ALL[name]
    reached = folder / "reached"
    reached.mkdir(parents=True, exist_ok=True)
    for number, octets in enumerate(begins()):
        (reached / f"begin-{number}").write_bytes(octets)
    options = {
        "max_total_time": seconds,
        "max_len": LARGEST,
        "artifact_prefix": f"{folder}/",
        "timeout": 10,
        "seed": seed,
    }
    atheris.Setup([name, str(reached), *(f"-{option}={value}" for option, value in options.items())], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
