"""Sets of images by class: Omniglot, and characters that are made up."""

from .contact_sheet import contact_sheet
from .glyphs import Glyphs
from .image_set import ImageSet
from .omniglot import Omniglot

__all__ = ["Glyphs", "ImageSet", "Omniglot", "contact_sheet"]
