"""What a memory has just read, made into the query of its next read."""

import torch
from torch import Tensor, nn


class NextQuery(nn.Module):
    """A query for every head, from the input and from what all heads have read before.

    Recursive reading is that of the Fast Weight Memory (Schlag, Munkhdalai and Schmidhuber 2021),
    which normalises each read, too: what is found becomes a question.

    Args:
        input_size: D, width of the input.
        read_size: H v, width of all heads' reads together.
        queries: number of heads H, and what is generated for each, W.
    """

    def __init__(self, input_size: int, read_size: int, queries: tuple[int, int]) -> None:
        super().__init__()
        self.queries = queries
        self.norm = nn.LayerNorm(read_size)
        self.generate = nn.Linear(input_size + read_size, queries[0] * queries[1])

    def forward(self, x: Tensor, read: Tensor) -> Tensor:
        """Queries (..., H, W) for inputs (..., D) and reads (..., H, v)."""
        known = torch.cat((x, self.norm(read.flatten(-2))), -1)
        return self.generate(known).unflatten(-1, self.queries)
