"""Reports of music runs as self-contained HTML pages, with pictures, sound and evaluation."""

from bgmusic.music.report.figures import save_figures
from bgmusic.music.report.page import evaluation_page, make_report

__all__ = ["evaluation_page", "make_report", "save_figures"]
