"""Train an autoencoder of Bach's chorales with a bottleneck of bits, and flip bits by hand.

Each bar of 16 steps and 4 voices passes through 32 bits, a phrase through 128. The script prints the accuracy on unseen
bars and the effect of flipped bits. It writes MIDI files of a phrase: the original, the reconstruction, and the
reconstruction with one bit flipped in every bar.

    python examples/phrase_bits.py [--steps 1500] [--out bits]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from chorales import FIRST, HOLD, PITCHES, VOICES, load, save
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.neurons import DBN, BitsBottleneck, to_integers

BAR = 16  # steps
SOUNDS = PITCHES + 1  # silence, then the pitches


def sounding(tokens: Tensor) -> Tensor:
    """Return the sounding pitch at each step of phrases ``(N, 64, 4)``: 0 for silence, 1 + row for a pitch."""
    now = torch.zeros_like(tokens[:, 0])
    steps = []
    for step in range(tokens.shape[1]):
        now = torch.where(tokens[:, step] == HOLD, now, (tokens[:, step] - FIRST + 1).clamp(min=0))
        steps.append(now)
    return torch.stack(steps, 1)


def tokens_of(sounds: Tensor) -> Tensor:
    """Convert sounding pitches ``(64, 4)`` to tokens: a note begins where the pitch changes."""
    before = torch.cat([torch.zeros_like(sounds[:1]), sounds[:-1]])
    begins = torch.where(sounds > 0, sounds - 1 + FIRST, 0)
    return torch.where((sounds == before) & (sounds > 0), HOLD, begins)


class BarCoder(nn.Module):
    """Encode bars ``(N, 16, 4)`` as codes ``(N, bits)``, and decode them to logits ``(N, 16, 4, 49)``."""

    def __init__(self, bits: int, width: int = 256, each: int = 24) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(SOUNDS, each) for _ in range(VOICES))
        self.read = nn.Sequential(nn.Linear(BAR * VOICES * each, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.bottleneck = BitsBottleneck(width, bits, DBN())
        self.write = nn.Sequential(
            nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, BAR * VOICES * SOUNDS)
        )

    def features(self, bars: Tensor) -> Tensor:
        """Return the input of the bottleneck, ``(N, width)``."""
        embeddings = [embed(bars[..., voice]) for voice, embed in enumerate(self.embeddings)]
        features: Tensor = self.read(torch.stack(embeddings, 2).flatten(1))
        return features

    def decode(self, code: Tensor) -> Tensor:
        """Return the logits of the bars of codes ``(N, bits)``."""
        logits: Tensor = self.write(self.bottleneck.decode(code))
        return logits.view(-1, BAR, VOICES, SOUNDS)


def train(model: BarCoder, bars: Tensor, steps: int) -> BarCoder:
    """Train on cross-entropy, with a penalty on bits that are always on or always off."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(steps):
        batch = bars[torch.randint(len(bars), (128,), generator=generator)]
        features = model.features(batch)
        logits = model.decode(model.bottleneck.encode(features))
        loss = F.cross_entropy(logits.flatten(0, 2), batch.flatten()) + model.bottleneck.imbalance(features)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def flip(code: Tensor, bit: int) -> Tensor:
    """Return codes ``(N, bits)`` with one bit flipped."""
    flipped = code.clone()
    flipped[:, bit] = 1 - flipped[:, bit]
    return flipped


@torch.no_grad()
def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train, print accuracies and effects, and write the MIDI files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500, help="training steps")
    parser.add_argument("--bits", type=int, default=32, help="length of a bar's code")
    parser.add_argument("--out", type=Path, default=Path("bits"), help="output folder of the MIDI files")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    bars, test = (sounding(load(split)).reshape(-1, BAR, VOICES) for split in ("train", "test"))
    with torch.enable_grad():
        model = train(BarCoder(options.bits), bars, options.steps)
    code = model.bottleneck.encode(model.features(test))
    decoded = model.decode(code).argmax(-1)
    usual = bars.flatten(0, 1).mode(0).values  # each voice's most frequent pitch
    changed = torch.stack(
        [(model.decode(flip(code, bit)).argmax(-1) != decoded).float().mean() for bit in range(options.bits)]
    )
    bit = int(changed.argmax())
    result = {
        "kept": float((decoded == test).float().mean()),
        "usual": float((test == usual).float().mean()),
        "most": float(changed.max()),
        "least": float(changed.min()),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    flipped = model.decode(flip(code[:4], bit)).argmax(-1)
    for name, phrase in (("original", test[:4]), ("decoded", decoded[:4]), (f"flipped-{bit}", flipped)):
        save(options.out / f"{name}.mid", tokens_of(phrase.flatten(0, 1)))
    print(f"pitches kept in test bars: {result['kept']:.1%} by {options.bits} bits a bar; ", end="")
    print(f"{result['usual']:.1%} by each voice's most frequent pitch")
    print(f"a flipped bit changes {result['least']:.1%} to {result['most']:.1%} of a bar's pitches, and no other bar")
    print(f"the first test phrase: {to_integers(code[:4]).tolist()}")
    print(f"MIDI: {options.out}/original.mid, decoded.mid, flipped-{bit}.mid")
    return result


if __name__ == "__main__":
    main()
