"""Draw rolls, trainings and metrics as images."""

from bgmusic.music.pictures.curves import save_curves
from bgmusic.music.pictures.phrase import draw_phrase, save_phrase
from bgmusic.music.pictures.raster import used_rows
from bgmusic.music.pictures.sheet import draw_sheet, png_bytes, save_roll, save_rolls
from bgmusic.music.pictures.timelapse import save_timelapse

__all__ = [
    "draw_phrase",
    "draw_sheet",
    "png_bytes",
    "save_curves",
    "save_phrase",
    "save_roll",
    "save_rolls",
    "save_timelapse",
    "used_rows",
]
