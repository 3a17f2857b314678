"""``bgmusic info``: show versions, devices, presets and embedded data."""

from __future__ import annotations


def info() -> None:
    """Show versions, devices, presets and embedded data."""
    import os
    import platform

    import torch
    from rich.console import Console
    from rich.table import Table

    from bgmusic.files import configs_dir, data_dir
    from bgmusic.neurons import ESTIMATORS, SCORE_FUNCTIONS
    from bgmusic.training.lookup import shipped_generators
    from bgmusic.training.precision import multiplies_bfloat16
    from bgmusic.training.session import choose_device
    from bgmusic.version import __version__
    from bgmusic.yaml import presets

    table = Table(show_header=False, box=None)
    table.add_row("bgmusic", __version__)
    table.add_row("python", platform.python_version())
    table.add_row("torch", torch.__version__)
    table.add_row("CPU", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads")
    fast = multiplies_bfloat16(choose_device("auto"))
    table.add_row("bfloat16", "fast" if fast else "emulated: trainings use float32")
    table.add_row("CUDA", torch.cuda.get_device_name() if torch.cuda.is_available() else "none")
    table.add_row("estimators", ", ".join(sorted(ESTIMATORS)))
    table.add_row("score functions", ", ".join(sorted(SCORE_FUNCTIONS)))
    for family in sorted(path.name for path in configs_dir().iterdir() if path.is_dir()):
        table.add_row(f"presets: {family}", ", ".join(presets(family)))
    table.add_row("generators", ", ".join(shipped_generators()))
    table.add_row("data", f"{data_dir()}: {', '.join(sorted(p.name for p in data_dir().iterdir() if p.is_dir()))}")
    Console().print(table)
