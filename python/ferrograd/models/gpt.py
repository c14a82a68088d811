"""A language model over characters or other tokens: GPT (Radford et al. 2019), in nanoGPT's layout and state keys."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import functions, nn, ops, random
from ..autograd import no_grad
from ..creation import arange, as_tensor
from ..nn import functional as F

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = ["GPT", "GPTConfig"]


@dataclass
class GPTConfig:
    """The sizes of a `GPT`; the defaults are those of GPT-2."""

    #: The longest sequence.
    block_size: int = 1024
    #: How many tokens there are.
    vocab_size: int = 50304
    n_layer: int = 12
    n_head: int = 12
    #: Features of a token.
    n_embd: int = 768
    dropout: float = 0.0
    #: Whether linear maps and norms learn a bias.
    bias: bool = True


class CausalSelfAttention(nn.Module):
    """Multi-head attention of each position to itself and those before: (N, T, n_embd) gives the same shape."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError(f"GPT: n_head: expected a divisor of n_embd ({config.n_embd}), got {config.n_head}")
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.resid_dropout = nn.Dropout(config.dropout)
        self.n_head = config.n_head
        self.dropout = config.dropout

    def forward(self, x: Any) -> Any:
        """The projected means."""
        y = ops.self_attend(
            self.c_attn(x),
            None,
            random.default_generator.state,
            heads=self.n_head,
            scale=1.0 / math.sqrt(x.shape[2] // self.n_head),
            is_causal=True,
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.resid_dropout(self.c_proj(y))


class MLP(nn.Module):
    """W₂ gelu(W₁ x), four times as wide between."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Any) -> Any:
        """The network's result."""
        return self.dropout(self.c_proj(self.gelu(self.c_fc(x))))


class Block(nn.Module):
    """x + attention(norm(x)), then y + mlp(norm(y))."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = MLP(config)

    def forward(self, x: Any) -> Any:
        """The block's result."""
        x = ops.add(x, self.attn(self.ln_1(x)))
        return ops.add(x, self.mlp(self.ln_2(x)))


class GPT(nn.Module):
    """Tokens (N, T) give logits of the next token (N, T, vocab_size): a transformer with the norms before the blocks.

    The table of embeddings is the matrix of the last layer too. Matrices start normal with deviation 0.02, those that end a
    short-cut with 0.02 / √(2·n_layer), biases 0. lecture: transformer, character language model.

    Args:
        config: the sizes; or give them as keywords: `GPT(block_size=64, vocab_size=65, n_layer=4, n_head=4, n_embd=128)`.
        kwargs: the fields of `GPTConfig`.

    Example:
        >>> import ferrograd as fg
        >>> model = fg.models.GPT(block_size=8, vocab_size=5, n_layer=1, n_head=2, n_embd=4)
        >>> logits, loss = model(fg.tensor([[0, 1, 2]]), targets=fg.tensor([[1, 2, 3]]))
        >>> logits.shape, loss.shape
        ((1, 3, 5), ())
    """

    def __init__(self, config: GPTConfig | None = None, **kwargs: Any) -> None:
        super().__init__()
        if config is not None and kwargs:
            raise TypeError(f"GPT: config: expected a GPTConfig or its fields, got both: {', '.join(kwargs)}")
        self.config = config = config or GPTConfig(**kwargs)
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.vocab_size, config.n_embd),
                "wpe": nn.Embedding(config.block_size, config.n_embd),
                "drop": nn.Dropout(config.dropout),
                "h": nn.ModuleList([Block(config) for _ in range(config.n_layer)]),
                "ln_f": nn.LayerNorm(config.n_embd, bias=config.bias),
            }
        )
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, 0.0, 0.02)
                if getattr(module, "bias", None) is not None:
                    nn.init.zeros_(module.bias)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, 0.0, 0.02 / math.sqrt(2 * self.config.n_layer))

    def get_num_params(self, non_embedding: bool = True) -> int:
        """How many parameters; the table of positions is left out with `non_embedding`."""
        n = sum(p.numel() for p in self.parameters())
        return n - self.transformer.wpe.weight.numel() if non_embedding else n

    def _features(self, idx: Any) -> Any:
        if len(idx.shape) != 2 or idx.shape[1] > self.config.block_size:
            raise ValueError(
                f"GPT: idx: expected shape (N, T) with T at most block_size ({self.config.block_size}), "
                f"got {tuple(idx.shape)}"
            )
        parts = self.transformer
        x = parts.drop(ops.add(parts.wte(idx), parts.wpe(arange(idx.shape[1]))))
        for block in parts.h:
            x = block(x)
        return parts.ln_f(x)

    def forward(self, idx: Any, targets: Any = None) -> tuple[Any, Any]:
        """The logits of every position, and their mean cross entropy with `targets` (N, T), or None without.

        Targets of -1 are left out.
        """
        logits = self.lm_head(self._features(idx))
        if targets is None:
            return logits, None
        rows = functions.reshape(logits, -1, logits.shape[2])
        return logits, F.cross_entropy(rows, functions.reshape(targets, -1), ignore_index=-1)

    @no_grad()
    def generate(
        self,
        idx: Any,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        generator: random.Generator | None = None,
    ) -> Tensor:
        """The tokens `idx` (N, T) with `max_new_tokens` more, drawn one by one from softmax(logits / temperature).

        Call `eval()` first where the model has dropout.

        Args:
            idx: what to continue.
            max_new_tokens: how many tokens to add.
            temperature: below 1 the likely tokens become likelier; 0 takes the likeliest.
            top_k: draw from the k likeliest tokens only.
            generator: the stream of random numbers; default: `fg.default_generator`.
        """
        if temperature < 0 or (top_k is not None and top_k < 1):
            raise ValueError(
                f"generate: temperature, top_k: expected at least 0 and at least 1, got {temperature} and {top_k}"
            )
        idx = as_tensor(idx)
        for _ in range(max_new_tokens):
            last = self._features(idx[:, -self.config.block_size :])[:, -1]
            idx = functions.cat([idx, self._next(self.lm_head(last), temperature, top_k, generator)], 1)
        return idx  # type: ignore[no-any-return]

    def _next(self, logits: Any, temperature: float, top_k: int | None, generator: Any) -> Any:
        """A column of tokens (N, 1)."""
        if temperature == 0:
            return functions.argmax(logits, 1, keepdim=True)
        if top_k is not None and top_k < logits.shape[1]:
            least = functions.topk(logits, top_k)[0][:, -1:]
            logits = functions.where(logits < least, -math.inf, logits)
        probabilities = F.softmax(functions.div(logits, temperature), 1)
        return random.multinomial(probabilities, 1, replacement=True, generator=generator)
