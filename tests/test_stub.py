"""`_core.pyi` says of the compiled module what is true: the same names, the same arguments, the same defaults."""

from __future__ import annotations

import ast
import inspect
import types
from pathlib import Path
from typing import Any

import pytest

import ferrograd
from ferrograd import _core

STUB = ast.parse((Path(ferrograd.__file__).parent / "_core.pyi").read_text())
#: Kinds of a parameter; a stub's receiver stands before them and is left out.
POSITIONAL, KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY


def declared(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """The public and private names that a module or a class of the stub declares."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def parameters(node: ast.FunctionDef, method: bool) -> list[tuple[str, Any, str | None]]:
    """(name, kind, default) of each parameter of a function of the stub."""
    args = node.args
    plain = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(plain) - len(args.defaults)) + [ast.unparse(d) for d in args.defaults]
    found: list[tuple[str, Any, str | None]] = [(a.arg, POSITIONAL, d) for a, d in zip(plain, defaults, strict=True)]
    if args.vararg:
        found.append((args.vararg.arg, inspect.Parameter.VAR_POSITIONAL, None))
    for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        found.append((a.arg, KEYWORD, None if d is None else ast.unparse(d)))
    return found[1:] if method else found


def runtime(function: Any) -> list[tuple[str, Any, str | None]]:
    """The same of a compiled function."""
    found = []
    for p in inspect.signature(function).parameters.values():
        if p.name == "self" and p.kind is inspect.Parameter.POSITIONAL_ONLY:
            continue
        kind = POSITIONAL if p.kind is inspect.Parameter.POSITIONAL_ONLY else p.kind
        found.append((p.name, kind, None if p.default is p.empty else repr(p.default)))
    return found


def line(name: str, value: Any) -> str:
    """How the stub would declare a function."""
    return f"def {name}{inspect.signature(value)}: ...".replace("self, /, ", "self, ").replace("self, /", "self")


def is_named(name: str) -> bool:
    return not name.startswith("__") or name in ("__version__", "__dlpack__", "__dlpack_device__")


def namespaces() -> list[Any]:
    """(where, what the stub declares there, what there is at run time)."""
    found = [("_core", STUB.body, _core)]
    for name, node in declared(STUB.body).items():
        if isinstance(node, ast.ClassDef):
            found.append((name, node.body, getattr(_core, name)))
    return [pytest.param(body, there, id=where) for where, body, there in found]


@pytest.mark.parametrize(("body", "there"), namespaces())
def test_the_same_names(body: list[ast.stmt], there: Any) -> None:
    exists = {n for n in vars(there) if is_named(n)} - ({"testing"} if there is _core else set())
    said = set(declared(body)) - {"testing"}
    missing = sorted(exists - said)
    lines = [line(n, vars(there)[n]) if callable(vars(there)[n]) else n for n in missing]
    assert not missing, "add to _core.pyi:\n" + "\n".join(lines)
    assert not said - exists, f"not in the module: {sorted(said - exists)}"


@pytest.mark.parametrize(("body", "there"), namespaces())
def test_the_same_signatures(body: list[ast.stmt], there: Any) -> None:
    wrong = []
    for name, node in declared(body).items():
        value = vars(there)[name]
        if isinstance(node, ast.FunctionDef):
            decorators = {ast.unparse(d) for d in node.decorator_list}
            if decorators & {"property", f"{name}.setter"}:
                assert isinstance(value, types.GetSetDescriptorType), f"{name} is no property"
                continue
            method = inspect.isclass(there) and "staticmethod" not in decorators
            assert isinstance(value, staticmethod) == (inspect.isclass(there) and "staticmethod" in decorators), name
            try:
                actual = runtime(value)
            except ValueError:
                continue  # Python can say nothing of it: `type.__call__` and the like.
            if parameters(node, method) != actual:
                wrong.append(line(name, value))
        elif isinstance(node, ast.ClassDef):
            assert inspect.isclass(value) or inspect.ismodule(value), name
        else:
            assert not callable(value), f"{name} is a function"
    assert not wrong, "_core.pyi should say:\n" + "\n".join(wrong)


def test_setters() -> None:
    """Properties that can be assigned to are those with a setter in the stub."""
    base = declared(STUB.body)["TensorBase"]
    assert isinstance(base, ast.ClassDef)
    setters = {
        node.name for node in base.body
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(d).endswith(".setter") for d in node.decorator_list)
    }  # fmt: skip
    tensor = ferrograd.ones(2)
    writable = set()
    for name, value in vars(_core.TensorBase).items():
        if isinstance(value, types.GetSetDescriptorType):
            try:
                setattr(tensor, name, None)
            except AttributeError:
                continue
            except TypeError:
                pass
            writable.add(name)
    assert writable == setters
