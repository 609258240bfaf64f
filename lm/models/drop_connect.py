"""An LSTM whose recurrent weights are left out at random in training."""

from __future__ import annotations

import warnings
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ...memory import LSTM, LSTMState
from ...memory.segments import Run


class DropConnectLSTM(LSTM):
    """One LSTM layer with DropConnect (Wan et al. 2013) on the weights from hidden state to gates.

    In training, a share of these weights is zero and the others are larger by 1 / (1 - share), the
    same ones for all rows and times of a call: the weight drop of Merity et al. (2018,
    arXiv:1708.02182), which leaves torch's kernel as it is. In evaluation it is :class:`LSTM`, as
    are its parameters.

    Args:
        input_size: D, width of the input.
        hidden_size: Width of the hidden state and of the output.
        share: Share of the weights that is left out, from 0 to below 1.
    """

    def __init__(self, input_size: int, hidden_size: int, share: float) -> None:
        super().__init__(input_size, hidden_size)
        self.share = share
        # On a GPU, torch would have all weights of a layer in one piece of memory, and says so:
        # those of a mask are not, and are copied together, which is little beside their products.
        warnings.filterwarnings("ignore", "RNN module weights are not part of", UserWarning)

    def _runner(self) -> Run:
        inner, recurrent, *biases = self.rnn.parameters()
        dropped = F.dropout(recurrent, self.share, self.training)
        return partial(self._run_with, [inner, dropped, *biases])

    def _run_with(
        self, weights: list[Tensor], x: Tensor, state: LSTMState
    ) -> tuple[Tensor, LSTMState]:
        # Not torch.func.functional_call, by which a GPU would move the parameters in memory, away
        # from who holds on to them (averages of weights, buckets of DDP).
        y, hidden, cell = torch.lstm(
            x,
            [part.transpose(0, 1).contiguous() for part in state],
            weights,
            has_biases=True,
            num_layers=1,
            dropout=0.0,
            train=True,  # without dropout of its own it is the same, with gradients on a GPU
            bidirectional=False,
            batch_first=True,
        )
        return y, LSTMState(hidden.transpose(0, 1), cell.transpose(0, 1))
