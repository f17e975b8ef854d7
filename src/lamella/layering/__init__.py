"""Step 4: which packages share a layer. Pure strategies in one table, and layerings of several steps."""

from lamella.layering.choose import strategy
from lamella.layering.churn import learn
from lamella.layering.limits import cap
from lamella.layering.strategy import (
    NOTHING,
    Budget,
    Churn,
    Group,
    LayeringError,
    Previous,
    Seen,
    Strategy,
)
from lamella.layering.table import STRATEGIES

__all__ = [
    "NOTHING",
    "STRATEGIES",
    "Budget",
    "Churn",
    "Group",
    "LayeringError",
    "Previous",
    "Seen",
    "Strategy",
    "cap",
    "learn",
    "strategy",
]
