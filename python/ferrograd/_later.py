"""Names of a package that are loaded on first use, so that an import stays short."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def later(package: str, names: dict[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package that loads `names` on first use.

    Each is a module, as `{"data": "data"}`, or stands in one, as `{"save": "serialization"}`.
    """
    namespace = vars(sys.modules[package])

    def get(name: str) -> Any:
        if name == "__all__":  # what `import *` asks for
            return [public for public in (*namespace, *names) if not public.startswith("_")]
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f".{names[name]}", package)
        namespace[name] = value = module if name == names[name] else getattr(module, name)
        return value

    return get, lambda: sorted({*namespace, *names})
