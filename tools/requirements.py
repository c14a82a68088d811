"""Prints what an extra of pyproject.toml needs, the package's own dependencies included, without building the package.

`python tools/requirements.py dev` for pip; `build` means the build system's own needs.
"""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())


def requirements(extra: str) -> list[str]:
    """The extra's list, with the extras of this package that it names put in their place."""
    found = []
    for requirement in PROJECT["project"]["optional-dependencies"][extra]:
        own = re.fullmatch(rf"{PROJECT['project']['name']}\[(.+)\]", requirement)
        if own:
            found += [r for name in own[1].split(",") for r in requirements(name.strip())]
        else:
            found.append(requirement)
    return found


def main(extra: str) -> None:
    if extra == "build":
        print(*PROJECT["build-system"]["requires"], sep="\n")
    else:
        print(*PROJECT["project"]["dependencies"], *requirements(extra), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
