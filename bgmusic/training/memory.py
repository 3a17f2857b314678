"""What freed memory costs: a training frees and takes the same hundreds of megabytes in every update."""

from __future__ import annotations

import ctypes
import sys

# glibc's names and numbers, malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let this process keep freed memory instead of handing it back to the system; True where it can (glibc).

    By default glibc maps every large tensor anew, and the system clears each of its pages again: on one core that took
    a fifth to a third of an update of BinaryMuseGAN's networks, by one run each. Peak memory stays about the same, but
    what is freed stays with the process until it ends, so this is for programs that train, not for a library to do on
    import.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))  # -1: never
