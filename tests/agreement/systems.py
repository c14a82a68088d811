"""The models of the lecture, each written once for both libraries: `build(lib)` with `lib` torch or ferrograd.

Inputs and targets are NumPy arrays; a loss is a function of (lib, model, batch). Dropout is 0. The transformers have GELU:
where many ReLU units stand near their kink for long, rounding puts one on the other side now and then, in either library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class System(NamedTuple):
    """A model, its data, and how it is trained."""

    build: Callable[[Any], Any]
    batch: Callable[[np.random.Generator], dict[str, Any]]
    #: (output, loss) of a batch.
    loss: Callable[[Any, Any, dict[str, Any]], tuple[Any, Any]]
    steps: int = 100
    lr: float = 0.05
    momentum: float = 0.9


# -- losses and batches -----------------------------------------------------------------------------------------------


def classify(lib: Any, model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
    """Cross-entropy with the classes in the last dimension."""
    logits = model(batch["x"])
    return logits, lib.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), batch["t"].reshape(-1))


def regress(lib: Any, model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
    """Mean square error with the target."""
    y = model(batch["x"])
    return y, lib.nn.functional.mse_loss(y, batch["t"])


def pictures(*shape: int, classes: int = 10) -> Callable[[np.random.Generator], dict[str, Any]]:
    """Noise around a picture of each class."""

    def batch(rng: np.random.Generator) -> dict[str, Any]:
        t = rng.integers(0, classes, shape[0])
        prototypes = rng.standard_normal((classes, *shape[1:]))
        return {"x": prototypes[t] + 0.5 * rng.standard_normal(shape), "t": t}

    return batch


def sequences(n: int, time: int, features: int, classes: int) -> Callable[[np.random.Generator], dict[str, Any]]:
    """Sequences whose class at each step is told by the feature that was largest a step ago."""

    def batch(rng: np.random.Generator) -> dict[str, Any]:
        x = rng.standard_normal((n, time, features))
        t = np.roll(x[..., :classes].argmax(-1), 1, axis=1)
        return {"x": x, "t": t}

    return batch


def tokens(n: int, time: int, classes: int) -> Callable[[np.random.Generator], dict[str, Any]]:
    """Numbers that count on by steps of their own; the next one is the target."""

    def batch(rng: np.random.Generator) -> dict[str, Any]:
        start, step = rng.integers(0, classes, (n, 1)), rng.integers(1, 4, (n, 1))
        x = (start + step * np.arange(time + 1)) % classes
        return {"x": x[:, :-1], "t": x[:, 1:]}

    return batch


# -- feed-forward -----------------------------------------------------------------------------------------------------


def mlp(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 24), nn.Sigmoid(), nn.Linear(24, 10))


def lenet(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 5 * 5, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def vgg(lib: Any) -> Any:
    nn = lib.nn
    layers: list[Any] = []
    channels = 3
    for width in (8, "pool", 16, "pool", 32, 32, "pool", 48, 48, "pool"):
        if width == "pool":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width  # type: ignore[assignment]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(48 * 2 * 2, 64), nn.ReLU(), nn.Linear(64, 10))


def conv3d(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Conv3d(2, 6, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(6, 8, (1, 3, 3), stride=(1, 2, 2)), nn.GELU(),
        nn.ConvTranspose3d(8, 4, 2, stride=2), nn.AdaptiveAvgPool3d((2, 2, 2)), nn.Flatten(), nn.Linear(32, 5),
    )  # fmt: skip


def autoencoder(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Linear(48, 24), nn.ELU(), nn.Linear(24, 6), nn.Tanh(), nn.Linear(6, 24), nn.SiLU(), nn.Linear(24, 48), nn.Sigmoid()
    )  # fmt: skip


def bright_spots(rng: np.random.Generator) -> dict[str, Any]:
    """Rows of pixels with one bright spot each, clean and noisy."""
    place = rng.uniform(0, 48, (32, 1))
    clean = np.exp(-((np.arange(48) - place) ** 2) / 18)
    return {"x": clean + 0.1 * rng.standard_normal(clean.shape), "t": clean}


def tdnn(lib: Any) -> Any:
    """ferrograd's TDNN against the dilated convolution that it is."""
    nn = lib.nn

    class Layer(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, inputs: int, outputs: int, steps: int, dilation: int) -> None:
            super().__init__()
            conv = nn.Conv1d(inputs, outputs, steps, dilation=dilation)
            self.weight, self.bias = conv.weight, conv.bias
            self.dilation = dilation

        def forward(self, x: Any) -> Any:
            y = nn.functional.conv1d(x.transpose(1, 2), self.weight, self.bias, dilation=self.dilation)
            return y.transpose(1, 2)

    def layer(inputs: int, outputs: int, steps: int, dilation: int) -> Any:
        if hasattr(nn, "TDNN"):
            return nn.TDNN(inputs, outputs, kernel_size=steps, dilation=dilation, batch_first=True)
        return Layer(inputs, outputs, steps, dilation)

    return nn.Sequential(layer(8, 16, 3, 1), nn.ReLU(), layer(16, 16, 3, 2), nn.ReLU(), nn.Linear(16, 6))


def at_each_valid_step(rng: np.random.Generator) -> dict[str, Any]:
    batch = sequences(8, 20, 8, 6)(rng)
    return {"x": batch["x"], "t": batch["t"][:, 3:-3]}


# -- recurrent --------------------------------------------------------------------------------------------------------


def recurrent(kind: str, **options: Any) -> Callable[[Any], Any]:
    """A recurrent layer and a linear one at each step."""

    def build(lib: Any) -> Any:
        nn = lib.nn

        class Tagger(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.layer = getattr(nn, kind)(6, 16, batch_first=True, **options)
                self.head = nn.Linear(32 if options.get("bidirectional") else 16, 5)

            def forward(self, x: Any) -> Any:
                return self.head(self.layer(x)[0])

        return Tagger()

    return build


# -- attention --------------------------------------------------------------------------------------------------------


def encoder(lib: Any) -> Any:
    nn = lib.nn

    class Encoder(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(6, 32)
            layer = nn.TransformerEncoderLayer(32, 4, 48, 0.0, "gelu", batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(32, 5)

        def forward(self, x: Any) -> Any:
            return self.head(self.encoder(self.embed(x)))

    return Encoder()


def encoder_decoder(lib: Any) -> Any:
    nn = lib.nn

    class Translator(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.source, self.target = nn.Embedding(11, 32), nn.Embedding(11, 32)
            self.transformer = nn.Transformer(32, 4, 1, 1, 48, 0.0, "gelu", batch_first=True, norm_first=True)
            self.transformer.encoder.enable_nested_tensor = False
            self.head = nn.Linear(32, 11)

        def forward(self, x: Any) -> Any:
            inputs, outputs = x[:, : x.shape[1] // 2], x[:, x.shape[1] // 2 :]
            n = outputs.shape[1]
            later = lib.triu(lib.ones(n, n), diagonal=1).bool()
            return self.head(self.transformer(self.source(inputs), self.target(outputs), tgt_mask=later))

    return Translator()


def reversals(rng: np.random.Generator) -> dict[str, Any]:
    """Sequences and, moved on by a step, their reversals."""
    x = rng.integers(1, 11, (12, 8))
    start = np.zeros((12, 1), np.int64)
    y = x[:, ::-1]
    return {"x": np.hstack([x, start, y[:, :-1]]), "t": y.copy()}


def gpt(lib: Any) -> Any:
    nn = lib.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            n, time, width = x.shape
            q, k, v = (
                part.reshape(n, time, self.heads, width // self.heads).transpose(1, 2)
                for part in self.qkv(self.norm1(x)).split(width, dim=2)
            )
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(n, time, width))
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.token, self.position = nn.Embedding(13, 32), nn.Embedding(16, 32)
            self.blocks = nn.ModuleList([Block(32, 4) for _ in range(2)])
            self.norm = nn.LayerNorm(32)
            self.head = nn.Linear(32, 13, bias=False)
            self.head.weight = self.token.weight

        def forward(self, x: Any) -> Any:
            y = self.token(x) + self.position(lib.arange(x.shape[1]))
            for block in self.blocks:
                y = block(y)
            return self.head(self.norm(y))

    return GPT()


SYSTEMS: dict[str, System] = {
    "mlp": System(mlp, pictures(32, 20), classify, lr=0.2),
    "lenet": System(lenet, pictures(8, 1, 28, 28), classify, lr=0.02),
    "vgg-bn": System(vgg, pictures(8, 3, 32, 32), classify, steps=10),
    "conv3d": System(conv3d, pictures(4, 2, 6, 12, 12, classes=5), classify),
    "autoencoder": System(autoencoder, bright_spots, regress, lr=0.5),
    "tdnn": System(tdnn, at_each_valid_step, classify),
    "rnn": System(recurrent("RNN"), sequences(8, 12, 6, 5), classify),
    "rnn-relu": System(recurrent("RNN", nonlinearity="relu", num_layers=2), sequences(8, 12, 6, 5), classify, lr=0.01),
    "lstm": System(recurrent("LSTM", num_layers=2, bidirectional=True), sequences(8, 12, 6, 5), classify, lr=0.1),
    "gru": System(recurrent("GRU", num_layers=2), sequences(8, 12, 6, 5), classify, lr=0.1),
    "transformer-encoder": System(encoder, sequences(8, 12, 6, 5), classify, lr=0.02),
    "encoder-decoder": System(encoder_decoder, reversals, classify, lr=0.02),
    "gpt": System(gpt, tokens(8, 16, 13), classify, lr=0.02),
}
