"""Reports about music as self-contained HTML pages: what a run learned, to be seen, heard and judged."""

from bgmusic.music.report.figures import save_figures
from bgmusic.music.report.page import evaluation_page, make_report

__all__ = ["evaluation_page", "make_report", "save_figures"]
