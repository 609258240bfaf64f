"""The convolutional network of few-shot learning."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...memory.contract import check_sizes

BLOCKS = 4


class ConvBlock(nn.Module):
    """3x3 convolution, batch norm, ReLU and 2x2 max pooling (which commutes with the ReLU).

    Args:
        in_channels: channels of the images that come in.
        width: channels that go out.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width, track_running_stats=False)

    def forward(self, x: Tensor, reference: int | None = None) -> Tensor:
        """Features (n, width, H // 2, W // 2).

        Args:
            x: (n, in_channels, H, W).
            reference: normalise by the statistics of the first so many rows; of all by default.
        """
        x = self.conv(x)
        if reference is None:
            x = self.norm(x)
        else:
            variance, mean = torch.var_mean(x[:reference], (0, 2, 3), correction=0, keepdim=True)
            gain, bias = (p.reshape(-1, 1, 1) for p in (self.norm.weight, self.norm.bias))
            x = (x - mean) * (gain * torch.rsqrt(variance + self.norm.eps)) + bias
        return F.max_pool2d(x, 2).relu()


class Conv4(nn.Module):
    """Four blocks and a linear head (Vinyals et al. 2016, as in MAML, Finn et al. 2017).

    It has no running statistics: a batch is normalised by its own (for the queries of an episode
    this is called transductive, as they see one another), or by those of a support set.

    Args:
        num_ways: classes, N.
        width: channels of every block.
        in_channels: 1 for grey images, 3 for colour.
        image_size: pixels of a side, at least 16.
        channels_last: lay out features with the channels side by side, by which a step on a CPU is
            half as long; not for use under ``torch.func.vmap``.

    Raises:
        TypeError, ValueError: a size is no integer, or too small.
    """

    def __init__(
        self,
        num_ways: int = 5,
        width: int = 64,
        in_channels: int = 1,
        image_size: int = 28,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(num_ways=num_ways, width=width, in_channels=in_channels, image_size=image_size)
        if image_size < 2**BLOCKS:
            raise ValueError(f"image_size must be at least {2**BLOCKS}, got {image_size}")
        self.channels_last = channels_last
        self.block1 = ConvBlock(in_channels, width)
        self.block2 = ConvBlock(width, width)
        self.block3 = ConvBlock(width, width)
        self.block4 = ConvBlock(width, width)
        self.head = nn.Linear(width * (image_size // 2**BLOCKS) ** 2, num_ways)

    def forward(self, x: Tensor, support: Tensor | None = None) -> Tensor:
        """Logits (n, num_ways) of images (n, in_channels, H, H).

        Args:
            x: the images.
            support: (k, in_channels, H, H) images by whose statistics they are to be normalised;
                by default, by their own.
        """
        rows = None if support is None else len(support)
        if support is not None:
            x = torch.cat((support, x))
        if self.channels_last:
            # Of one channel, contiguous(memory_format=channels_last) would do nothing.
            x = torch.empty_like(x, memory_format=torch.channels_last).copy_(x)
        for block in (self.block1, self.block2, self.block3, self.block4):
            x = block(x, rows)
        return self.head(x[rows:].flatten(1))
