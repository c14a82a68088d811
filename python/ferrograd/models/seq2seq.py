"""Sequence to sequence: one recurrent network reads, another writes, and attention shows it where to look."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, functions, nn, ops, random
from ..autograd import no_grad
from ..creation import as_tensor, full, ones
from ..dtypes import int64
from ..nn import functional as F

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = ["Seq2Seq"]

_CELLS = {"GRU": nn.GRU, "LSTM": nn.LSTM}


class _Attention(nn.Module):
    """c = Σ_s α_s m_s, α = softmax over s of score(h, m_s): h (N, T, H) and m (N, S, M) give c (N, T, M) and α (N, T, S)."""

    def __init__(self, kind: str, state: int, memory: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "general":
            self.query = nn.Linear(state, memory, bias=False)
        else:
            self.query = nn.Linear(state, state, bias=False)
            self.key = nn.Linear(memory, state, bias=False)
            self.score = nn.Linear(state, 1, bias=False)

    def forward(self, h: Any, memory: Any, mask: Any) -> tuple[Any, Any]:
        """The contexts and the weights, which are 0 where the mask (N, 1, S) is False."""
        query = self.query(h)
        if self.kind == "general":
            scores = functions.matmul(query, functions.transpose(memory, 1, 2))
        else:
            pairs = ops.add(functions.unsqueeze(query, 2), functions.unsqueeze(self.key(memory), 1))
            scores = functions.squeeze(self.score(functions.tanh(pairs)), 3)
        weights = F.softmax(functions.where(mask, scores, -math.inf), 2)
        return functions.matmul(weights, memory), weights

    def extra_repr(self) -> str:
        """The score."""
        return repr(self.kind)


class Seq2Seq(nn.Module):
    """Source tokens (N, S) and the target tokens before each give logits (N, T, target_size) of the target's next token.

    An encoder reads: m_s, its results; a decoder starts from its last state and writes, h_t = decoder(y_{t−1}, h_{t−1}),
    y_0 = `bos` (Sutskever et al. 2014). With attention, α_t = softmax over s of score(h_t, m_s), c_t = Σ_s α_ts m_s,
    and the logits are U tanh(W [c_t; h_t]), in the order of Luong et al. 2015. The score is 'general', hᵀ A m (theirs),
    or 'additive', vᵀ tanh(A h + B m) (Bahdanau et al. 2015). lecture: sequence to sequence modeling.

    Sequences of different lengths are padded at their end with `pad`: what is beyond a source's length is neither read nor
    looked at, and no loss is taken where the target is `pad`. A target ends with `eos`.

    Args:
        source_size: how many source tokens there are.
        target_size: how many target tokens there are, with pad, bos and eos.
        embedding: features of a token.
        hidden: features of a state, in each direction.
        num_layers: layers of either network.
        cell: 'GRU' or 'LSTM'.
        bidirectional: the encoder reads from both ends; tanh of a linear map makes its last states the decoder's first.
        attention: 'general', 'additive' or None: then all that the decoder knows of the source is its first state.
        dropout: of embeddings and between layers, while training.
        pad: the token beyond the end, of source and target.
        bos: the token that the decoder is given first.
        eos: the token that ends a target.

    Example:
        >>> import ferrograd as fg
        >>> model = fg.models.Seq2Seq(source_size=9, target_size=9, embedding=4, hidden=8)
        >>> source, target = fg.tensor([[3, 4, 5], [6, 7, 0]]), fg.tensor([[5, 4, 3, 2], [7, 6, 2, 0]])
        >>> model(source, target).shape, model.loss(source, target).shape
        ((2, 4, 9), ())
        >>> model.generate(source, max_length=5).shape[0]
        2
    """

    def __init__(
        self,
        source_size: int,
        target_size: int,
        embedding: int = 64,
        hidden: int = 128,
        num_layers: int = 1,
        cell: str = "GRU",
        bidirectional: bool = True,
        attention: str | None = "general",
        dropout: float = 0.0,
        pad: int = 0,
        bos: int = 1,
        eos: int = 2,
    ) -> None:
        super().__init__()
        if cell not in _CELLS:
            raise ValueError(f"Seq2Seq: cell: expected 'GRU' or 'LSTM', got {cell!r}")
        if attention not in ("general", "additive", None):
            raise ValueError(f"Seq2Seq: attention: expected 'general', 'additive' or None, got {attention!r}")
        if len({pad, bos, eos}) < 3 or not all(0 <= token < target_size for token in (pad, bos, eos)):
            raise ValueError(
                f"Seq2Seq: pad, bos, eos: expected three different tokens below target_size ({target_size}), "
                f"got {pad}, {bos} and {eos}"
            )
        self.pad, self.bos, self.eos = pad, bos, eos
        self.source_embedding = nn.Embedding(source_size, embedding, padding_idx=pad)
        self.target_embedding = nn.Embedding(target_size, embedding, padding_idx=pad)
        self.drop = nn.Dropout(dropout)
        between = dropout if num_layers > 1 else 0.0
        layer = _CELLS[cell]
        self.encoder = layer(
            embedding, hidden, num_layers, batch_first=True, dropout=between, bidirectional=bidirectional
        )
        self.decoder = layer(embedding, hidden, num_layers, batch_first=True, dropout=between)
        states = 2 if cell == "LSTM" else 1
        self.bridge = nn.ModuleList([nn.Linear(2 * hidden, hidden) for _ in range(states)]) if bidirectional else None
        memory = hidden * (2 if bidirectional else 1)
        self.attention = None if attention is None else _Attention(attention, hidden, memory)
        self.combine = None if attention is None else nn.Linear(memory + hidden, hidden)
        self.output = nn.Linear(hidden, target_size)

    def encode(self, source: Any, lengths: Any = None) -> tuple[Any, Any, Any]:
        """What the decoder needs of a source (N, S): the memory (N, S, M), its first state, the mask (N, 1, S).

        Args:
            source: tokens.
            lengths: of each sequence, (N,); default: up to the last token that is not `pad`.
        """
        source = as_tensor(source)
        if len(source.shape) != 2 or not all(source.shape):
            raise _core.ShapeError(
                f"Seq2Seq: source: expected shape (N, S), both at least 1, got {tuple(source.shape)}"
            )
        lengths = self._lengths(source, lengths)
        mask = np.arange(source.shape[1]) < lengths[:, None]
        memory, state = self.encoder(self.drop(self.source_embedding(source)), lengths=lengths)
        if self.bridge is not None:
            states = state if isinstance(state, tuple) else (state,)
            joined = [functions.tanh(link(_directions(s))) for link, s in zip(self.bridge, states, strict=True)]
            state = tuple(joined) if len(joined) > 1 else joined[0]
        return memory, state, as_tensor(mask[:, None])

    def decode(self, tokens: Any, state: Any, memory: Any, mask: Any) -> tuple[Any, Any, Any]:
        """Logits (N, T, target_size) after each of the tokens (N, T), the state after them, the weights (N, T, S) or None.

        The other arguments are what `encode` gave, or `decode` before.
        """
        h, state = self.decoder(self.drop(self.target_embedding(tokens)), state)
        weights = None
        if self.attention is not None and self.combine is not None:
            context, weights = self.attention(h, memory, mask)
            h = functions.tanh(self.combine(functions.cat([context, h], 2)))
        return self.output(h), state, weights

    def forward(
        self,
        source: Any,
        target: Any,
        lengths: Any = None,
        teacher_forcing: float = 1.0,
        generator: random.Generator | None = None,
    ) -> Any:
        """The logits (N, T, target_size) of each token of the target (N, T), which is given without `bos`.

        Args:
            source: tokens (N, S).
            target: tokens (N, T): the decoder is given `bos` and all but the last.
            lengths: as in `encode`.
            teacher_forcing: the probability with which the decoder is given the target's token rather than its own
                likeliest one (scheduled sampling, Bengio et al. 2015), drawn for each token. At 1 all steps are computed
                together, below 1 one after the other.
            generator: the stream of random numbers; default: `fg.default_generator`.
        """
        memory, state, mask = self.encode(source, lengths)
        target = as_tensor(target)
        if len(target.shape) != 2 or target.shape[0] != len(source) or not target.shape[1]:
            raise _core.ShapeError(
                f"Seq2Seq: target: expected shape (N, T) with N = {len(source)} as source and T at least 1, "
                f"got {tuple(target.shape)}"
            )
        if not 0 <= teacher_forcing <= 1:
            raise ValueError(f"Seq2Seq: teacher_forcing: expected a probability, got {teacher_forcing}")
        first = full((target.shape[0], 1), self.bos, dtype=target.dtype)
        given = functions.cat([first, target[:, :-1]], 1)
        if teacher_forcing == 1:
            return self.decode(given, state, memory, mask)[0]
        steps: list[Any] = []
        token = first
        for t in range(target.shape[1]):
            if t:
                own = functions.argmax(steps[-1], 2)
                forced = random.bernoulli(ones(own.shape), teacher_forcing, generator=generator).bool()
                token = functions.where(forced, given[:, t : t + 1], own.to(target.dtype))
            logits, state, _ = self.decode(token, state, memory, mask)
            steps.append(logits)
        return functions.cat(steps, 1)

    def loss(self, source: Any, target: Any, lengths: Any = None, **kwargs: Any) -> Any:
        """The mean cross entropy of the target's tokens that are not `pad`; arguments as of `forward`."""
        logits = self(source, target, lengths, **kwargs)
        rows = functions.reshape(logits, -1, logits.shape[2])
        return F.cross_entropy(rows, functions.reshape(as_tensor(target), -1), ignore_index=self.pad)

    @no_grad()
    def generate(self, source: Any, max_length: int, lengths: Any = None, need_weights: bool = False) -> Any:
        """The likeliest token at each step, up to `eos`: (N, T), T at most `max_length`, with `pad` after `eos`.

        Call `eval()` first where the model has dropout.

        Args:
            source: tokens (N, S).
            max_length: the most tokens, `eos` counted.
            lengths: as in `encode`.
            need_weights: give the weights of the attention (N, T, S) too: (tokens, weights).
        """
        if max_length < 1:
            raise ValueError(f"generate: max_length: expected a number of at least 1, got {max_length}")
        if need_weights and self.attention is None:
            raise ValueError("generate: need_weights: expected False without attention, got True")
        memory, state, mask = self.encode(source, lengths)
        token = full((len(source), 1), self.bos, dtype=int64)
        ended = np.zeros((len(source), 1), bool)
        tokens, looks = [], []
        for _ in range(max_length):
            logits, state, weights = self.decode(token, state, memory, mask)
            best = np.where(ended, self.pad, functions.argmax(logits, 2).numpy())
            tokens.append(best)
            looks.append(weights)
            ended |= best == self.eos
            if ended.all():
                break
            token = as_tensor(best)
        written: Tensor = as_tensor(np.concatenate(tokens, axis=1))
        return (written, functions.cat(looks, 1)) if need_weights else written

    def _lengths(self, source: Any, lengths: Any) -> Any:
        if lengths is None:
            kept = np.asarray(source) != self.pad
            found = source.shape[1] - kept[:, ::-1].argmax(1)
            if not kept.any(1).all():
                row = int(np.flatnonzero(~kept.any(1))[0])
                raise ValueError(
                    f"Seq2Seq: source: expected a token other than pad ({self.pad}), got none in row {row}"
                )
            return found
        found = np.asarray(lengths)
        if found.shape != (source.shape[0],) or found.dtype.kind not in "iu":
            raise _core.ShapeError(
                f"Seq2Seq: lengths: expected {source.shape[0]} integers, got {found.dtype} of shape {found.shape}"
            )
        if found.min() < 1 or found.max() > source.shape[1]:
            raise ValueError(
                f"Seq2Seq: lengths: expected numbers from 1 to {source.shape[1]}, got {found.min()} to {found.max()}"
            )
        return found


def _directions(state: Any) -> Any:
    """The last states (layers · 2, N, H) of both directions side by side: (layers, N, 2 · H)."""
    layers, n, features = state.shape[0] // 2, state.shape[1], state.shape[2]
    pairs = functions.permute(functions.reshape(state, layers, 2, n, features), 0, 2, 1, 3)
    return functions.reshape(pairs, layers, n, 2 * features)
