"""Sets of images by class: Omniglot, and characters that are made up."""

from .contact_sheet import contact_sheet
from .glyphs import Glyphs
from .image_folder import ImageFolder
from .image_set import ImageSet
from .mnist import MNIST, FashionMNIST
from .omniglot import Omniglot

__all__ = [
    "MNIST",
    "FashionMNIST",
    "Glyphs",
    "ImageFolder",
    "ImageSet",
    "Omniglot",
    "contact_sheet",
]
