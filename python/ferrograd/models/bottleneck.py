"""Features of a narrow layer, or of any layer, for another network to learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import nn
from ._stack import stack

__all__ = ["BottleneckNet", "create_feature_extractor"]


class BottleneckNet(nn.Module):
    """A classifier with a narrow linear layer inside: x (*, sizes[0]) gives logits (*, num_classes).

    After training, `features` gives what passes through the narrow layer, a few numbers that hold what tells the classes
    apart; another classifier, of other classes or with less data, learns from them (Grézl et al. 2007, Probabilistic and
    bottle-neck features for LVCSR of meetings; lecture: bottleneck features).

    Args:
        sizes: features of the input, of the layers before the narrow one, and of the narrow one, as `AutoEncoder`'s.
        num_classes: outputs.
        after: features of the layers between the narrow one and the output.
        activation: makes an activation layer.

    Example:
        >>> import ferrograd as fg
        >>> model = fg.models.BottleneckNet((64, 32, 8), num_classes=10)
        >>> x = fg.zeros(5, 64)
        >>> model(x).shape, model.features(x).shape
        ((5, 10), (5, 8))
    """

    def __init__(
        self,
        sizes: Sequence[int] = (784, 256, 32),
        num_classes: int = 10,
        after: Sequence[int] = (256,),
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"BottleneckNet: sizes: expected at least 2 numbers, got {tuple(sizes)}")
        self.extractor = stack(sizes, activation)
        self.classifier = nn.Sequential(activation(), *stack((sizes[-1], *after, num_classes), activation))

    def features(self, x: Any) -> Any:
        """(*, sizes[-1]): the narrow layer's results, before an activation."""
        return self.extractor(x)

    def forward(self, x: Any) -> Any:
        """The logits."""
        return self.classifier(self.features(x))


class FeatureExtractor(nn.Module):
    """A model that gives the results of some of its layers; made by `create_feature_extractor`."""

    def __init__(self, model: nn.Module, return_nodes: Mapping[str, str]) -> None:
        super().__init__()
        self.model = model
        self.return_nodes = dict(return_nodes)

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The results by name, in the order asked for."""
        found: dict[str, Any] = {}
        handles = []
        try:
            for path, name in self.return_nodes.items():

                def keep(module: Any, args: Any, output: Any, name: str = name) -> None:
                    found[name] = output

                handles.append(self.model.get_submodule(path).register_forward_hook(keep))
            self.model(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
        missing = [path for path, name in self.return_nodes.items() if name not in found]
        if missing:
            raise RuntimeError(f"create_feature_extractor: return_nodes: the model did not call {', '.join(missing)}")
        return {name: found[name] for name in self.return_nodes.values()}

    def extra_repr(self) -> str:
        """The layers."""
        return f"return_nodes={self.return_nodes}"


def create_feature_extractor(model: nn.Module, return_nodes: Sequence[str] | Mapping[str, str]) -> FeatureExtractor:
    """A module that runs `model`, whose parameters it shares, and gives a dict of what its named layers gave.

    The name and the arguments are torchvision's, the nodes are paths of modules: 'layer1.0.conv1'. A layer that is called
    several times gives its last result, and one whose result is changed in place (`nn.ReLU(inplace=True)`) the changed.

    Args:
        model: any network.
        return_nodes: paths, or a dict of paths and the names to give the results.

    Raises:
        ValueError: a path that the model has no module at.

    Example:
        >>> import ferrograd as fg
        >>> net = fg.nn.Sequential(fg.nn.Linear(4, 2), fg.nn.ReLU(), fg.nn.Linear(2, 3))
        >>> extractor = fg.models.create_feature_extractor(net, {"1": "narrow"})
        >>> extractor(fg.zeros(5, 4))["narrow"].shape
        (5, 2)
    """
    if isinstance(return_nodes, str):
        raise TypeError(f"create_feature_extractor: return_nodes: expected a list or a dict, got {return_nodes!r}")
    nodes = dict(return_nodes) if isinstance(return_nodes, Mapping) else {path: path for path in return_nodes}
    known = dict(model.named_modules())
    unknown = [path for path in nodes if path not in known]
    if unknown or not nodes:
        raise ValueError(
            f"create_feature_extractor: return_nodes: expected paths of modules, got {', '.join(unknown) or 'none'}; "
            f"the model has {', '.join(filter(None, known))}"
        )
    return FeatureExtractor(model, nodes)
