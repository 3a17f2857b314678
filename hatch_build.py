"""Builds the kernels in C, of neurons and of BinaryMuseGAN's networks, when bgmusic is installed or a wheel made.

Without a C compiler the installation goes on: bgmusic works without the kernels, slower.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIBRARY = "bgmusic/_kernels.so"
SOURCES = [
    "bgmusic/neurons/kernel.c",
    *(f"bgmusic/music/networks/{name}.c" for name in ("private", "unfolding", "merging", "refining")),
]
# Vector code needs no traps and no errno. Contraction: where a processor fuses multiplication and addition, a
# probability may differ in its last bit from another processor's, as the logits that torch computes there do.
FLAGS = ["-std=c11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fPIC", "-shared"]
# A compiler or C library that can't choose between versions of a function makes one of each.
ATTEMPTS: list[list[str]] = [[], ["-DBGMUSIC_ONE_VERSION"]]


def compile_kernels(root: Path, target: Path) -> bool:
    """Compile the kernels to one library, whole or not at all; False, and a remark, if that can't be done."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    sources = [str(root / source) for source in SOURCES]
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        built = Path(folder) / target.name
        for more in ATTEMPTS:
            command = [*compiler, *FLAGS, *more, *sources, "-o", str(built)]
            try:
                subprocess.run(command, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                continue
            built.replace(target)
            return True
    print(
        f"no kernels: {shlex.join(compiler)} can't compile {SOURCES}; neurons and BinaryMuseGAN are slower",
        file=sys.stderr,
    )
    return False


def platform_tag() -> str:
    """The wheel's platform: the library is of this one, whatever others the interpreter runs on."""
    return sysconfig.get_platform().replace("universal2", platform.machine()).replace("-", "_").replace(".", "_")


class KernelHook(BuildHookInterface[Any]):
    """Puts the library beside the source for an editable installation, and into a wheel else."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a wheel is written."""
        root = Path(self.root)
        self.folder = tempfile.TemporaryDirectory()
        editable = version == "editable"
        target = root / LIBRARY if editable else Path(self.folder.name) / "_kernels.so"
        if not compile_kernels(root, target):
            if editable:
                target.unlink(missing_ok=True)  # one of an older source
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag()}"
        if not editable:
            build_data["force_include"][str(target)] = LIBRARY

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called when the wheel is written."""
        self.folder.cleanup()
