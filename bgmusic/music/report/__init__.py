"""Reports of music runs as self-contained HTML pages, with pictures, sound and evaluation."""

from bgmusic.music.report.figures import save_figures
from bgmusic.music.report.marked_phrases import save_marked
from bgmusic.music.report.page import evaluation_page, make_report
from bgmusic.music.report.phrase_figure import PhraseSounds

__all__ = ["PhraseSounds", "evaluation_page", "make_report", "save_figures", "save_marked"]
