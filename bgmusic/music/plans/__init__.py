"""Plans: form, instruments, harmony and activity, decided before any note."""

from bgmusic.music.plans.extract import extract, extract_batch, extract_channels
from bgmusic.music.plans.plan import Plan, Plans
from bgmusic.music.plans.shape import LEVELS, PlanShape

__all__ = ["LEVELS", "Plan", "PlanShape", "Plans", "extract", "extract_batch", "extract_channels"]
