"""Sets of images by class: Omniglot, and characters that are made up."""

from .image_set import ImageSet
from .omniglot import Omniglot

__all__ = ["ImageSet", "Omniglot"]
