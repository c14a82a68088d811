"""Trees of containers: what is taken apart comes together again."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import pytest

from ferrograd.utils._pytree import flatten, flatten_as, map_tree, unflatten

Pair = namedtuple("Pair", ["a", "b"])

TREES = [1, None, [], (), {}, [1, (2, 3)], {"b": 1, "a": [2]}, OrderedDict(x=1, y=(2,)), Pair(1, [2, Pair(3, 4)])]


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_a_tree_comes_together_again(tree: object) -> None:
    leaves, spec = flatten(tree)
    again = unflatten(leaves, spec)
    assert again == tree
    assert type(again) is type(tree)
    assert spec.leaves == len(leaves)
    assert flatten(again)[1] == spec


def test_different_trees_have_different_shapes() -> None:
    specs = [flatten(tree)[1] for tree in TREES[2:]]
    assert all((a == b) == (a is b) for a in specs for b in specs)


def test_leaves_in_the_order_of_another_tree() -> None:
    spec = flatten({"a": 0, "b": (0, 0)})[1]
    assert flatten_as("op", "x", {"b": (2, 3), "a": 1}, spec) == [1, 2, 3]
    for wrong in ({"a": 1}, {"a": 1, "b": [2, 3]}, {"a": 1, "b": (2,)}, {"a": [1], "b": (2, 3)}, 5):
        with pytest.raises(RuntimeError, match="op: x: expected"):
            flatten_as("op", "x", wrong, spec)


def test_mapping_over_a_tree() -> None:
    assert map_tree(lambda x: 2 * x, {"a": [1, Pair(2, 3)]}) == {"a": [2, Pair(4, 6)]}
