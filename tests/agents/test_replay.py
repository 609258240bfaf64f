"""The replay buffer is a fair sample of the stream."""

import pytest
import torch

from driftwise.agents.classifiers import ReplayBuffer


def images(labels):
    """Images that tell which example they are: the level of ink is the label in 256ths."""
    return (labels / 255).view(-1, 1, 1, 1).expand(-1, 1, 28, 28).float()


@pytest.mark.parametrize("batch", [1, 7, 50])
def test_every_example_is_kept_with_the_same_probability(batch):
    kept = torch.zeros(50)
    for seed in range(300):
        buffer = ReplayBuffer(10, seed)
        for labels in torch.arange(50).split(batch):
            buffer.add(images(labels), labels)
        assert len(buffer.labels.unique()) == len(buffer) == 10
        assert torch.equal(buffer.images[:, 0, 0, 0], buffer.labels)
        kept[buffer.labels] += 1
    # Binomial(300, 1/5): mean 60, standard deviation 6.9; fifty draws stay within four of them.
    assert (kept - 60).abs().max() < 28
    assert abs(kept[:10].mean() - kept[-10:].mean()) < 10


def test_samples_what_it_holds():
    buffer = ReplayBuffer(10, seed=0)
    assert [len(part) for part in buffer.sample(4)] == [0, 0]
    buffer.add(images(torch.tensor([3, 200])), torch.tensor([3, 200]))
    assert len(buffer) == 2
    x, y = buffer.sample(40)
    assert set(y.tolist()) == {3, 200}
    torch.testing.assert_close(x, images(y))


def test_another_capacity_is_refused():
    with pytest.raises(ValueError, match="replay buffer must have 3 places, got 5"):
        ReplayBuffer(3, seed=0).load_state_dict(ReplayBuffer(5, seed=0).state_dict(), 1)
