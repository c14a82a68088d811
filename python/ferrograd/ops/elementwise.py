from .._core import backend
from ._op import op


@op
def add(x, y):
    return backend.add(x, y)


@add.rule()
def _(g, needs):
    return g, g
