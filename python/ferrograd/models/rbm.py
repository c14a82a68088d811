"""Restricted Boltzmann machines: what is seen and what explains it, an energy between them, no labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core, functions, nn, ops, random
from ..autograd import no_grad
from ..creation import as_tensor, empty
from ..nn import functional as F

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = ["RBM"]


class RBM(nn.Module):
    """p(v, h) ∝ exp(−E(v, h)), E(v, h) = −a·v − b·h − h·Wv: v (*, n_visible) is seen, h (*, n_hidden) of 0 and 1 is not.

    No unit is connected to another of its kind, so each kind is independent given the other: p(h=1 | v) = σ(Wv + b),
    p(v=1 | h) = σ(Wᵀh + a). What a state of v costs is its free energy, F(v) = −a·v − Σ_j log(1 + exp(b_j + (Wv)_j)), and
    −log p(v) = F(v) + log Z. Learning lowers F where data lie and raises it where the machine's own draws lie. With
    visible='gaussian' v is real, p(v | h) normal with mean Wᵀh + a and deviation 1, and −a·v becomes ½‖v − a‖².
    (Smolensky 1986, Hinton 2002; lecture: unsupervised learning, restricted Boltzmann machine.)

    W (n_hidden, n_visible) starts normal with deviation 0.01, a and b at 0 (Hinton 2010, A practical guide).

    Args:
        n_visible: units that are seen.
        n_hidden: units that are not.
        k: steps of Gibbs sampling an update of contrastive divergence, CD-k.
        persistent: the chains that learning draws from go on from one update to the next (Tieleman 2008) instead of
            starting at the data. They are a buffer, so `state_dict` holds them.
        chains: how many persistent chains.
        visible: 'binary' (0 and 1, or probabilities) or 'gaussian'.
        device: where the parameters lie.
        dtype: of the parameters.

    Example:
        >>> import ferrograd as fg
        >>> rbm = fg.models.RBM(6, 3)
        >>> v = fg.bernoulli(fg.full((8, 6), 0.5))
        >>> optimizer = fg.optim.SGD(rbm.parameters(), lr=0.1)
        >>> loss = rbm.fit_step(v, optimizer)
        >>> rbm.free_energy(v).shape, rbm.sample(5, steps=10).shape
        ((8,), (5, 6))
    """

    def __init__(
        self,
        n_visible: int = 784,
        n_hidden: int = 128,
        k: int = 1,
        persistent: bool = False,
        chains: int = 64,
        visible: str = "binary",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        for argument, value in (("n_visible", n_visible), ("n_hidden", n_hidden), ("k", k), ("chains", chains)):
            _at_least_one("RBM", argument, value)
        if visible not in ("binary", "gaussian"):
            raise ValueError(f"RBM: visible: expected 'binary' or 'gaussian', got {visible!r}")
        self.n_visible = n_visible
        self.n_hidden = n_hidden
        self.k = k
        self.visible_kind = visible
        self.weight = nn.Parameter(empty(n_hidden, n_visible, device=device, dtype=dtype))
        self.visible_bias = nn.Parameter(empty(n_visible, device=device, dtype=dtype))
        self.hidden_bias = nn.Parameter(empty(n_hidden, device=device, dtype=dtype))
        self.reset_parameters()
        self.register_buffer("chain", self._noise(chains, None) if persistent else None)

    def reset_parameters(self) -> None:
        """Draws new weights."""
        nn.init.normal_(self.weight, std=0.01)
        nn.init.zeros_(self.visible_bias)
        nn.init.zeros_(self.hidden_bias)

    def hidden(self, v: Any) -> Any:
        """p(h=1 | v), or the features of v: (*, n_hidden)."""
        return functions.sigmoid(self._drive(v))

    def visible(self, h: Any) -> Any:
        """The mean of v given h, for 'binary' p(v=1 | h): (*, n_visible)."""
        h = self._checked("visible", "h", h, self.n_hidden)
        mean = F.linear(h, functions.t(self.weight), self.visible_bias)
        return mean if self.visible_kind == "gaussian" else functions.sigmoid(mean)

    def forward(self, v: Any) -> Any:
        """p(h=1 | v), as `hidden`: a trained machine is a layer of a deep network."""
        return self.hidden(v)

    def reconstruct(self, v: Any) -> Any:
        """The mean of v given p(h=1 | v): what is left of v after one look at it."""
        return self.visible(self.hidden(v))

    def energy(self, v: Any, h: Any) -> Any:
        """E(v, h) of pairs (*, n_visible) and (*, n_hidden): (*)."""
        h = self._checked("energy", "h", h, self.n_hidden)
        return ops.sub(self._visible_term(v), functions.sum(ops.mul(h, self._drive(v)), -1))

    def free_energy(self, v: Any) -> Any:
        """F(v) = −log Σ_h exp(−E(v, h)), in nats: (*)."""
        return ops.sub(self._visible_term(v), functions.sum(F.softplus(self._drive(v)), -1))

    @no_grad()
    def gibbs(self, v: Any, steps: int = 1, generator: random.Generator | None = None) -> Tensor:
        """v after so many steps h ~ p(h | v), v ~ p(v | h).

        Args:
            v: where the chains start, (*, n_visible).
            steps: how many.
            generator: the stream of random numbers; default: `fg.default_generator`.
        """
        _at_least_one("gibbs", "steps", steps)
        for _ in range(steps):
            h = random.bernoulli(self.hidden(v), generator=generator)
            v = self.visible(h)
            if self.visible_kind == "gaussian":
                v = ops.add(v, random.randn_like(v, generator=generator))
            else:
                v = random.bernoulli(v, generator=generator)
        return v  # type: ignore[no-any-return]

    @no_grad()
    def sample(self, n: int, steps: int = 1000, generator: random.Generator | None = None) -> Tensor:
        """(n, n_visible) of the machine's own: `gibbs` from the persistent chains (in turn), or else from noise."""
        _at_least_one("sample", "n", n)
        if self.chain is None:
            start = self._noise(n, generator)
        else:
            start = functions.index_select(self.chain, 0, as_tensor([i % self.chain.shape[0] for i in range(n)]))
        return self.gibbs(start, steps, generator)  # type: ignore[no-any-return]

    def contrastive_divergence(self, v: Any, k: int | None = None, generator: random.Generator | None = None) -> Any:
        """The mean of F(v) less the mean of F(ṽ), ṽ drawn by k steps of Gibbs sampling; a number to call `backward` on.

        Its gradient by W is that of CD-k, ⟨p(h=1 | ṽ) ṽᵀ⟩ − ⟨p(h=1 | v) vᵀ⟩, and so for the biases; ṽ is a constant.
        The chains start at v, or with `persistent` where they ended the last time. The number itself is no objective:
        it is the gap of free energy between data and draws, and goes to 0 where the draws are as likely as the data.

        Args:
            v: data, (N, n_visible).
            k: steps; default: the machine's k.
            generator: the stream of random numbers; default: `fg.default_generator`.
        """
        v = self._checked("contrastive_divergence", "v", v, self.n_visible)
        drawn = self.gibbs(v if self.chain is None else self.chain, self.k if k is None else k, generator)
        if self.chain is not None:
            with no_grad():
                self.chain.copy_(drawn)
        return ops.sub(functions.mean(self.free_energy(v)), functions.mean(self.free_energy(drawn)))

    def fit_step(
        self, v: Any, optimizer: Any, k: int | None = None, generator: random.Generator | None = None
    ) -> float:
        """One update by contrastive divergence on a batch (N, n_visible).

        Returns the reconstruction error before it, the squares of v − reconstruct(v) summed over units, mean over N.
        """
        optimizer.zero_grad()
        self.contrastive_divergence(v, k, generator).backward()
        with no_grad():
            error = functions.square(ops.sub(self.reconstruct(v), as_tensor(v)))
            figure: float = functions.mean(functions.sum(error, -1)).item()
        optimizer.step()
        return figure

    def to_linear(self) -> nn.Linear:
        """A linear layer from v to Wv + b with copies of the parameters: with a sigmoid after it, `hidden`.

        Machines trained one upon the other, each on `hidden` of the one before, give a deep network its first weights
        (Hinton and Salakhutdinov 2006).
        """
        layer = nn.Linear(self.n_visible, self.n_hidden, dtype=self.weight.dtype)
        layer.load_state_dict({"weight": self.weight.detach(), "bias": self.hidden_bias.detach()})
        return layer

    def _drive(self, v: Any) -> Any:
        """Wv + b."""
        return F.linear(self._checked("hidden", "v", v, self.n_visible), self.weight, self.hidden_bias)

    def _visible_term(self, v: Any) -> Any:
        """−a·v, or ½‖v − a‖²."""
        v = self._checked("energy", "v", v, self.n_visible)
        if self.visible_kind == "gaussian":
            return ops.mul(functions.sum(functions.square(ops.sub(v, self.visible_bias)), -1), 0.5)
        return ops.neg(functions.sum(ops.mul(v, self.visible_bias), -1))

    def _noise(self, n: int, generator: random.Generator | None) -> Any:
        """Where chains start that know nothing."""
        shape, dtype = (n, self.n_visible), self.weight.dtype
        if self.visible_kind == "gaussian":
            return random.randn(shape, dtype=dtype, generator=generator)
        return random.bernoulli(empty(shape, dtype=dtype), 0.5, generator=generator)

    def _checked(self, name: str, argument: str, x: Any, units: int) -> Any:
        x = as_tensor(x)
        if not x.shape or x.shape[-1] != units:
            raise _core.ShapeError(
                f"RBM.{name}: {argument}: expected {units} units in the last dimension, got shape {tuple(x.shape)}"
            )
        return x

    def extra_repr(self) -> str:
        """The sizes, and what is not as by default."""
        text = f"{self.n_visible}, {self.n_hidden}"
        text += f", k={self.k}" if self.k != 1 else ""
        text += f", persistent=True, chains={self.chain.shape[0]}" if self.chain is not None else ""
        return text + (f", visible={self.visible_kind!r}" if self.visible_kind != "binary" else "")


def _at_least_one(name: str, argument: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}: {argument}: expected an int, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name}: {argument}: expected a number of at least 1, got {value}")
