"""Train the digit classifier that computes the features of the scores (two minutes on one core).

Scores with different weights are not comparable, so the embedded file is not overwritten by default.
"""

from __future__ import annotations

import argparse

import torch

from bgmusic.digits.features import save_classifier, train_classifier

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="classifier.safetensors", help="output file of the weights")
    parser.add_argument("--epochs", type=int, default=8, help="passes over the 60,000 training digits")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, accuracy = train_classifier(
        options.epochs, report=lambda epoch, loss: print(f"epoch {epoch}: loss {loss:.4f}", flush=True)
    )
    save_classifier(model, options.out)
    print(f"{accuracy:.2%} of the test digits classified correctly: {options.out}")
