"""What a model is made of and what its layers see, found by running it once; nothing of it is changed."""

from .cost import multiply_adds
from .field import ReceptiveField, receptive_field
from .summary import LayerSummary, Summary, summary
