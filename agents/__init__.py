"""Agents that adapt: memories trained with PPO, and the classic bandit policies."""

from .agent_files import load_agent, load_pretrained, pretrained_names, save_agent
from .config import TrainConfig
from .memories import MEMORIES, make_memory
from .memory_policy import MemoryPolicy
from .memory_ppo import MemoryPPO
from .play_agent import Step, episode_returns, play_agent, play_steps
from .players import (
    FunctionPlayer,
    ModelPlayer,
    OraclePlayer,
    Player,
    PolicyPlayer,
    RandomPlayer,
    as_player,
)
from .recipes import RECIPES
from .sb3_vec_env import SB3VecEnv
from .training import make_agent, train_agent
from .training_state import load_training_state, training_state
from .worlds import HELD_OUT_WORLDS, make_vector_env

__all__ = [
    "HELD_OUT_WORLDS",
    "MEMORIES",
    "RECIPES",
    "FunctionPlayer",
    "MemoryPPO",
    "MemoryPolicy",
    "ModelPlayer",
    "OraclePlayer",
    "Player",
    "PolicyPlayer",
    "RandomPlayer",
    "SB3VecEnv",
    "Step",
    "TrainConfig",
    "as_player",
    "episode_returns",
    "load_agent",
    "load_pretrained",
    "load_training_state",
    "make_agent",
    "make_memory",
    "make_vector_env",
    "play_agent",
    "play_steps",
    "pretrained_names",
    "save_agent",
    "train_agent",
    "training_state",
]
