"""Draw the figure and print the table of ``bgmusic neurons vae`` from its runs.

python bench/vae_figure.py RUNS [--figure docs/notes/estimators-vae.png]
"""

import argparse
import json
from pathlib import Path

from matplotlib.figure import Figure

NETWORKS = ("linear", "nonlinear")


def curves(runs: Path, network: str) -> dict[str, list[dict[str, float]]]:
    """Return the metrics of each estimator's run by name, sorted by the last value, best first."""
    found = {}
    for folder in runs.glob(f"{network}-*"):
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        found[folder.name.removeprefix(f"{network}-")] = [json.loads(line) for line in lines]
    shared = min(values[-1]["step"] for values in found.values())
    cut = {name: [line for line in values if line["step"] <= shared] for name, values in found.items()}
    return dict(sorted(cut.items(), key=lambda item: -item[1][-1]["test_elbo"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--figure", type=Path, default=Path("docs/notes/estimators-vae.png"))
    options = parser.parse_args()
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    networks = [network for network in NETWORKS if any(options.runs.glob(f"{network}-*"))]
    axes = figure.subplots(1, len(networks), squeeze=False)[0]
    for axis, network in zip(axes, networks, strict=True):
        found = curves(options.runs, network)
        steps = next(iter(found.values()))[-1]["step"]
        print(f"\n| {network}, {steps} steps | ELBO, train | ELBO, test | CPU s |\n|---|---|---|---|")
        for number, (name, values) in enumerate(found.items()):
            last = values[-1]
            print(f"| {name} | {last['train_elbo']:.1f} | {last['test_elbo']:.1f} | {last['cpu_seconds']:.0f} |")
            style = "-" if number < 7 else "--"
            axis.plot([v["step"] for v in values], [v["test_elbo"] for v in values], style, label=name, linewidth=1.3)
        lowest = sorted(values[-1]["test_elbo"] for values in found.values())[:2][-1]
        axis.set(title=network, xlabel="step", ylabel="ELBO of test digits, nats", ylim=(lowest - 15, None))
        axis.legend(fontsize=7)
    figure.savefig(options.figure, dpi=110)


if __name__ == "__main__":
    main()
