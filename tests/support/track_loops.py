"""Reference forms of BinaryMuseGAN's private networks: a loop over tracks of plain 3-d convolutions.

Layouts are PyTorch's, ``(batch, channels, bars, steps, pitches)``; weights are taken from the grouped networks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.musegan.discriminator import MainStream
from bgmusic.music.networks.musegan.generator import PrivateGenerator
from bgmusic.music.networks.musegan.grouped import GroupedLinear, GroupedNormLinear
from bgmusic.music.networks.musegan.refiner import Refiner


def unfolded(layer: GroupedNormLinear, track: int, x: Tensor, along_pitch: bool) -> Tensor:
    """Apply one track's transposed convolution, batch norm and ReLU."""
    weight = layer.weight[track].transpose(1, 2)  # inputs, outputs, taps
    taps = weight.shape[-1]
    kernel = (1, 1, taps) if along_pitch else (1, taps, 1)
    y = F.conv_transpose3d(x, weight.reshape(*weight.shape[:2], *kernel), stride=kernel)
    return torch.relu(F.batch_norm(y, None, None, layer.scale[track], layer.offset[track], training=True))


def generator(private: PrivateGenerator, shared: Tensor) -> Tensor:
    """Compute what :class:`PrivateGenerator` does."""
    sizes, outputs = private.sizes, []
    for track in range(sizes.tracks):
        one, two = private.pitch_time
        pitch_time = unfolded(two, track, unfolded(one, track, shared, True), False)
        one, two = private.time_pitch
        time_pitch = unfolded(two, track, unfolded(one, track, shared, False), True)
        merge = torch.cat([private.merge_pitch_time[track], private.merge_time_pitch[track]])
        both = torch.cat([pitch_time, time_pitch], 1)
        outputs.append(F.conv3d(both, merge.T[:, :, None, None, None])[..., : sizes.shape.pitches])
    stacked = torch.stack(outputs, 2).flatten(1, 2)  # planes, then tracks
    norm = private.norm
    return F.batch_norm(stacked, None, None, norm.weight, norm.bias, training=True)


def window(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve with "same" padding, an odd zero coming after."""
    _, steps, pitches = weight.shape[2:]
    before = ((steps - 1) // 2, (pitches - 1) // 2)
    padded = F.pad(x, (before[1], pitches - 1 - before[1], before[0], steps - 1 - before[0]))
    return F.conv3d(padded, weight)


def refiner(network: Refiner, preactivated: Tensor) -> Tensor:
    """Compute what :class:`Refiner` does."""
    sizes, outputs = network.sizes, []
    for track in range(sizes.tracks):
        x = preactivated[:, track :: sizes.tracks]
        for unit in network.units:
            own = slice(track * sizes.shape.planes, (track + 1) * sizes.shape.planes)
            y = torch.relu(F.batch_norm(x, None, None, unit.norm.weight[own], unit.norm.bias[own], training=True))
            first = unit.first.weight[track, :, 0].T.reshape(-1, sizes.shape.planes, 1, 3, 12)
            y = window(y, first)
            y = torch.relu(
                F.batch_norm(y, None, None, unit.first.scale[track], unit.first.offset[track], training=True)
            )
            # A transposed convolution is a convolution with the kernel flipped.
            second = (
                unit.weight[track, 0].reshape(sizes.shape.planes, 3, 12, -1).permute(0, 3, 1, 2).flip(2, 3).unsqueeze(2)
            )
            x = x + window(y, second) + unit.bias[track].view(1, -1, 1, 1, 1)
        outputs.append(x)
    return torch.stack(outputs, 2).flatten(1, 2)


def convolved(layer: GroupedLinear, track: int, x: Tensor, steps: int = 1, pitches: int = 1) -> Tensor:
    """Apply one track's convolution and leaky ReLU."""
    weight = layer.weight[track].reshape(steps, pitches, x.shape[1], -1).permute(3, 2, 0, 1).unsqueeze(2)
    y = F.conv3d(x, weight, layer.bias[track, 0], stride=(1, steps, pitches))
    return F.leaky_relu(y, 0.2)


def main_stream(stream: MainStream, rolls: Tensor) -> Tensor:
    """Compute what :class:`MainStream` does, of ``(batch, planes, tracks, bars, steps, rows)``."""
    ticks, outputs = stream.sizes.ticks, []
    for track in range(stream.sizes.tracks):
        x = rolls[:, :, track]
        one, two = stream.pitch_time[0], stream.pitch_time[3]
        pitch_time = convolved(two, track, convolved(one, track, x, pitches=12), steps=ticks)
        one, two = stream.time_pitch[0], stream.time_pitch[3]
        time_pitch = convolved(two, track, convolved(one, track, x, steps=ticks), pitches=12)
        merge = torch.cat([stream.merge_pitch_time.weight[track], stream.merge_time_pitch.weight[track]])
        both = torch.cat([pitch_time, time_pitch], 1)
        merged = F.conv3d(both, merge.T[:, :, None, None, None], stream.merge_pitch_time.bias[track, 0])
        outputs.append(F.leaky_relu(merged, 0.2))
    x = torch.cat(outputs, 1)
    sizes, (regions, last) = stream.sizes, stream.shared
    inputs = x.shape[1]
    weight = regions.patches.linear.weight.view(-1, sizes.parts, sizes.region_kernel, inputs).permute(0, 3, 1, 2)
    stride = (1, sizes.parts, 2)
    x = F.leaky_relu(F.conv3d(x, weight.unsqueeze(2), regions.patches.linear.bias, stride=stride), 0.2)
    weight = last.linear.weight.view(-1, sizes.shape.beats, sizes.regions, x.shape[1]).permute(0, 3, 1, 2)
    return F.leaky_relu(F.conv3d(x, weight.unsqueeze(2), last.linear.bias), 0.2).flatten(2).transpose(1, 2)
