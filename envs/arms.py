"""Reward families of a bandit: where means come from, and how a pull turns a mean into a reward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arguments import assign, check_count, check_flag, check_nonnegative, check_numbers
from .streams import Draws

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Arms:
    """The arms of a bandit, apart from when and how their means change.

    Args:
        num_arms: Number of arms A, at least 1 (a bandit wants 2).
        family: ``"bernoulli"`` (reward 1 with probability p, else 0; prior p ~ U(0, 1)) or
            ``"gaussian"`` (reward m + noise_std * e with e ~ N(0, 1); prior m ~ N(0, 1)).
        noise_std: Standard deviation of a Gaussian arm's reward around its mean; 0 pays the mean.
        dependent: Arms come in mirrored pairs (0, 1), (2, 3), ...: ``p[2i + 1] = 1 - p[2i]`` for
            Bernoulli arms, ``m[2i + 1] = -m[2i]`` for Gaussian ones. An odd last arm is free.
        mean_values: If given, new means are these A values dealt to the arms in random order
            instead of draws from the prior (for instance one arm at 0.9, the others at 0.1).
    """

    num_arms: int
    family: str = "bernoulli"
    noise_std: float = 1.0
    dependent: bool = False
    mean_values: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        assign(
            self,
            num_arms=check_count("num_arms", self.num_arms, least=1),
            noise_std=check_nonnegative("noise_std", self.noise_std),
            dependent=check_flag("dependent", self.dependent),
        )
        if self.family not in ("bernoulli", "gaussian"):
            raise ValueError(f'arms must be "bernoulli" or "gaussian", got {self.family!r}')
        if self.mean_values is not None:
            if self.dependent:
                raise ValueError("mean_values cannot be combined with dependent=True")
            values = self.check_means("mean_values", self.mean_values, (self.num_arms,))
            assign(self, mean_values=tuple(values.tolist()))

    @property
    def bernoulli(self) -> bool:
        """Whether rewards are 0 or 1."""
        return self.family == "bernoulli"

    def check_means(self, name: str, means: object, shape: tuple[int, ...]) -> FloatArray:
        """Returns ``means`` as a float64 array of ``shape``, or raises an error naming ``name``."""
        array = check_numbers(name, means).astype(np.float64)
        if array.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got {array.tolist()}")
        if self.bernoulli and ((array < 0) | (array > 1)).any():
            raise ValueError(f"{name} of Bernoulli arms must be in [0, 1], got {array.tolist()}")
        return array

    @property
    def prior_draws(self) -> Draws:
        """Random numbers that one vector of new means takes."""
        if self.bernoulli or self.mean_values is not None:
            return Draws(uniforms=self.num_arms)
        return Draws(normals=self.num_arms)

    def prior(self, uniforms: FloatArray, normals: FloatArray) -> FloatArray:
        """Turns draws of shape (..., :attr:`prior_draws`) into new means of shape (..., A)."""
        if self.mean_values is not None:
            return np.array(self.mean_values)[np.argsort(uniforms, axis=-1)]
        return self.tie(uniforms if self.bernoulli else normals)

    def tie(self, means: FloatArray) -> FloatArray:
        """Mirrors each even arm's mean onto its odd partner if the arms are dependent."""
        if not self.dependent:
            return means
        means = means.copy()
        pairs = self.num_arms // 2 * 2
        means[..., 1:pairs:2] = self.mirrored(means[..., 0:pairs:2])
        return means

    def mirrored(self, means: FloatArray) -> FloatArray:
        """Means on the other side: 1 - m, of Gaussian arms -m."""
        return (1.0 if self.bernoulli else 0.0) - means

    @property
    def noise_draws(self) -> Draws:
        """Random numbers that the reward of one step takes, whichever arm is pulled."""
        return Draws(uniforms=1) if self.bernoulli else Draws(normals=1)

    def noise(self, uniforms: FloatArray, normals: FloatArray) -> FloatArray:
        """Turns draws of shape (..., :attr:`noise_draws`) into reward noise of shape (...)."""
        return uniforms[..., 0] if self.bernoulli else self.noise_std * normals[..., 0]
