"""Time and memory of an update of BinaryMuseGAN as its authors' code makes it, to compare with bench/bmusegan_step.py.

    python -m venv tf; tf/bin/pip install tensorflow-cpu
    TF_ENABLE_ONEDNN_OPTS=1 tf/bin/python bench/original_step.py [--stage 1|2] [--batch N] [--updates N]

The original does not run any more (TensorFlow 1.x). This is the same graph, operation for operation: networks track by
track, D three times, its penalty, Adam, and what is fetched at each update, in TensorFlow 2's form of version 1. One
thread. TensorFlow uses oneDNN's convolutions by itself only on processors with AVX-512; elsewhere the variable asks for
them, which makes it twice as fast. (Its layers are nn.conv3d and conv3d_transpose; batch norm never normalises.)
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
Layer = Callable[[Any], Any]
Size = tuple[int, int, int]
TRACKS = 8
ROLL = (4, 96, 84, TRACKS)


def variable(name: str, shape: list[int], fill: float | None = None) -> Any:
    start = v1.truncated_normal_initializer(stddev=0.02) if fill is None else v1.constant_initializer(fill)
    return v1.get_variable(name, shape, initializer=start)


def norm(x: Any) -> Any:
    width = [int(x.shape[-1])]
    mean = v1.get_variable("mean", width, initializer=v1.zeros_initializer(), trainable=False)
    variance = v1.get_variable("variance", width, initializer=v1.ones_initializer(), trainable=False)
    return tf.nn.batch_normalization(
        x, mean, variance, variable("beta", width, 0.0), variable("gamma", width, 1.0), 1e-3
    )


def dense(x: Any, outputs: int) -> Any:
    return tf.matmul(x, variable("kernel", [int(x.shape[1]), outputs])) + variable("bias", [outputs], 0.0)


def conv(x: Any, outputs: int, kernel: Size, stride: Size | None = None, padding: str = "VALID") -> Any:
    weight = variable("kernel", [*kernel, int(x.shape[-1]), outputs])
    found = tf.nn.conv3d(x, weight, [1, *(stride or kernel), 1], padding)
    return tf.nn.bias_add(found, variable("bias", [outputs], 0.0))


def unfold(outputs: int, kernel: Size, stride: Size | None = None, act: Layer = tf.nn.relu) -> Layer:
    def layer(x: Any) -> Any:
        strides = stride or kernel
        size = [(int(n) - 1) * s + k for n, s, k in zip(x.shape[1:4], strides, kernel, strict=True)]
        weight = variable("kernel", [*kernel, outputs, int(x.shape[-1])])
        found = tf.nn.conv3d_transpose(x, weight, [int(x.shape[0]), *size, outputs], [1, *strides, 1], "VALID")
        return act(norm(tf.nn.bias_add(found, variable("bias", [outputs], 0.0))))

    return layer


def fold(outputs: int, kernel: Size, stride: Size | None = None) -> Layer:
    return lambda x: tf.nn.leaky_relu(conv(x, outputs, kernel, stride))


def network(x: Any, name: str, *layers: Layer) -> Any:
    with v1.variable_scope(name):
        for number, layer in enumerate(layers):
            with v1.variable_scope(f"layer_{number}"):
                x = layer(x)
    return x


def generator(noise: Any) -> Any:
    with v1.variable_scope("G"):
        shared = network(
            noise,
            "shared",
            lambda x: tf.nn.relu(norm(dense(x, 3 * 512))),
            lambda x: tf.reshape(x, [int(x.shape[0]), 3, 1, 1, 512]),
            *(unfold(256, (2, 1, 1), (1, 1, 1)), unfold(128, (1, 4, 1)), unfold(128, (1, 1, 3))),
            *(unfold(64, (1, 4, 1)), unfold(64, (1, 1, 3), (1, 1, 2))),
        )
        tracks = []
        for track in range(TRACKS):
            pitch_time = network(shared, f"pt_{track}", unfold(64, (1, 1, 12)), unfold(32, (1, 6, 1)))
            time_pitch = network(shared, f"tp_{track}", unfold(64, (1, 6, 1)), unfold(32, (1, 1, 12)))
            both = tf.concat([pitch_time, time_pitch], -1)
            tracks.append(network(both, f"merged_{track}", unfold(1, (1, 1, 1), act=tf.nn.sigmoid)))
        return tf.concat(tracks, -1)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def thresholded(x: Any) -> Any:
    return tf.cast(x > 0.5, tf.float32), lambda gradient: gradient


def refiner(phrases: Any) -> Any:
    def unit_conv(outputs: int) -> Layer:
        return lambda x: conv(tf.nn.relu(norm(x)), outputs, (1, 3, 12), (1, 1, 1), "SAME")

    with v1.variable_scope("R"):
        tracks = []
        for track in range(TRACKS):
            x = phrases[..., track : track + 1]
            for unit in range(2):
                x += network(x, f"private_{track}_{unit}", unit_conv(64), unit_conv(1))
            tracks.append(thresholded(tf.nn.sigmoid(x)))
        return tf.concat(tracks, -1)


def discriminator(phrases: Any) -> Any:
    with v1.variable_scope("D", reuse=v1.AUTO_REUSE):
        merged = []
        for track in range(TRACKS):
            x = phrases[..., track : track + 1]
            pitch_time = network(x, f"pt_{track}", fold(32, (1, 1, 12)), fold(64, (1, 6, 1)))
            time_pitch = network(x, f"tp_{track}", fold(32, (1, 6, 1)), fold(64, (1, 1, 12)))
            merged.append(network(tf.concat([pitch_time, time_pitch], -1), f"merged_{track}", fold(64, (1, 1, 1))))
        shared = network(
            tf.concat(merged, -1), "shared", fold(128, (1, 4, 3), (1, 4, 2)), fold(256, (1, 4, 3), (1, 4, 3))
        )
        chroma = tf.reduce_sum(tf.reshape(phrases, (-1, 4, 4, 24, 7, 12, TRACKS)), (3, 4))
        chroma = network(chroma, "chroma", fold(64, (1, 1, 12)), fold(128, (1, 4, 1)))
        before = tf.pad(phrases[:, :, :-1, :, 1:], [[0, 0], [0, 0], [1, 0], [0, 0], [0, 0]])
        onsets = tf.reduce_sum(tf.concat([phrases[..., :1], phrases[..., 1:] - before], -1), 3, keepdims=True)
        onsets = network(onsets, "onset", fold(32, (1, 6, 1)), fold(64, (1, 4, 1)), fold(128, (1, 4, 1)))
        return network(
            tf.concat([shared, chroma, onsets], -1),
            "merged",
            *(fold(512, (2, 1, 1), (1, 1, 1)), lambda x: tf.reshape(x, [-1, 3 * 512]), lambda x: dense(x, 1)),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", type=int, choices=(1, 2), default=1)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--updates", type=int, default=3, help="D updates; half as many of G")
    options = parser.parse_args()
    batch = options.batch or (32 if options.stage == 1 else 16)
    v1.disable_eager_execution()
    noise = v1.placeholder(tf.float32, (batch, 128))
    phrases = v1.placeholder(tf.bool, (batch, *ROLL))
    real = tf.cast(phrases, tf.float32)
    fake = generator(noise)
    learns = "G/"
    if options.stage == 2:
        fake, learns = refiner(fake), "R/"
    of_fake, of_real = discriminator(fake), discriminator(real)
    share = tf.random.uniform([batch, 1, 1, 1, 1])
    between = share * real + (1 - share) * fake
    (gradient,) = tf.gradients(discriminator(between), between)
    slopes = tf.sqrt(1e-8 + tf.reduce_sum(tf.square(gradient), [1, 2, 3, 4]))
    d_loss = tf.reduce_mean(of_fake) - tf.reduce_mean(of_real) + 10 * tf.reduce_mean(tf.square(slopes - 1))
    g_loss = -tf.reduce_mean(of_fake)
    weights = v1.trainable_variables()

    def step(loss: Any, scope: str) -> Any:
        mine = [weight for weight in weights if weight.name.startswith(scope)]
        return v1.train.AdamOptimizer(0.002, 0.5, 0.9).minimize(loss, var_list=mine)

    d_step, g_step = step(d_loss, "D/"), step(g_loss, learns)
    config = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    rng = np.random.default_rng(0)
    feed = {phrases: rng.random((batch, *ROLL)) < 0.02, noise: rng.standard_normal((batch, 128))}
    with v1.Session(config=config) as session:
        session.run(v1.global_variables_initializer())

        def seconds(*fetched: Any) -> float:
            before = time.process_time()
            session.run(fetched, feed)
            return time.process_time() - before

        def median(updates: int, *fetched: Any) -> float:
            seconds(*fetched)  # the first one warms up
            return float(np.median([seconds(*fetched) for _ in range(updates)]))

        d = median(options.updates, d_step, d_loss)
        g = median(max(1, options.updates // 2), g_step, d_loss, g_loss)
    for scope in ("G/", "D/", "R/"):
        print(scope, sum(int(np.prod(weight.shape)) for weight in weights if weight.name.startswith(scope)), "weights")
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"stage {options.stage}, batch {batch}, one thread")
    print(f"D {d:.2f} s, G {g:.2f} s, 5 D + 1 G {5 * d + g:.1f} s, {gigabytes:.1f} GB")


if __name__ == "__main__":
    main()
