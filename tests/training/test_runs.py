"""Runs: made whole or not at all, and read without trust."""

from __future__ import annotations

import io
import json
import pickle
import resource
import struct
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from toys import ToyGenerator, toy_game

from bgmusic.errors import UserError
from bgmusic.files import append_bytes
from bgmusic.gan.game import Game
from bgmusic.gan.game_config import GameConfig
from bgmusic.training.callbacks import Callback, Interruption
from bgmusic.training.protocols import Diverged
from bgmusic.training.runs import Run, environment, next_run
from bgmusic.training.session import choose_device, resume, train
from bgmusic.training.weights import fill, read_generator, save_generator

KIND = "toys"
CONFIG = GameConfig(steps=12, log_every=5, checkpoint_every=4, sample_every=6, batch=8)


def a_run(path: Path, **more: Any) -> Run:
    return Run.create(path, KIND, CONFIG, {**environment(3, "cpu", "bgmusic toys"), **more})


def a_game() -> Game:
    return toy_game("sbn", **CONFIG.model_dump())


def draw(game: Game, path: Path) -> None:
    path.write_text(f"picture of step {game.steps_done}")


class Pickled:
    """Runs code when it is unpickled without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


# ---- made whole or not at all


def test_a_new_run_is_whole(tmp_path: Path) -> None:
    run = a_run(tmp_path / "deep" / "run")
    assert run.config(GameConfig) == CONFIG
    made = run.environment()
    assert made["kind"] == KIND
    assert {"bgmusic", "torch", "python", "machine", "threads", "device", "seed", "command"} <= set(made)
    assert run.seed() == 3
    assert run.seconds() is None
    assert run.load_state() is None
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["run"]


def test_a_run_takes_an_empty_folder_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    a_run(tmp_path / "empty")
    (tmp_path / "file").write_text("mine")
    for taken in ("empty", "file"):
        with pytest.raises(UserError, match="exists already; resume it with --resume"):
            a_run(tmp_path / taken)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_run_that_can_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bgmusic.training.runs.dump_yaml", full)
    with pytest.raises(OSError, match="No space"):
        a_run(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_next_run_is_the_first_free_number(tmp_path: Path) -> None:
    assert next_run(tmp_path, "mnist").name == "mnist-001"
    for name in ("mnist-001", "mnist-002", "other-003"):
        (tmp_path / name).mkdir()
    assert next_run(tmp_path, "mnist").name == "mnist-003"


# ---- trained and resumed


def files_of(run: Run) -> dict[str, bytes]:
    names = ["generator.safetensors", "metrics.jsonl", *(f"samples/step-{n:07d}.png" for n in (6, 12))]
    return {name: (run.path / name).read_bytes() for name in names}


def scalars(run: Run) -> list[tuple[int, float]]:
    events = EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("g_loss")]


class Failing(Callback):
    """Breaks off a training at a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def step(self, game: Game) -> None:
        if game.steps_done == self.at:
            raise RuntimeError("broken off")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = a_run(tmp_path_factory.mktemp("whole") / "run")
    assert train(run, a_game(), CONFIG, draw, quiet=True)
    return run


def test_a_finished_run_has_everything(whole: Run) -> None:
    rows = [json.loads(line) for line in (whole.path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 12]
    assert [row["d_updates"] for row in rows] == [5, 10, 12]
    times = [json.loads(line) for line in (whole.path / "timings.jsonl").read_text().splitlines()]
    assert [row["step"] for row in times] == [5, 10, 12]
    assert scalars(whole) == [(row["step"], pytest.approx(row["g_loss"])) for row in rows]
    config, weights = read_generator(whole.path / "generator.safetensors", KIND, GameConfig)
    assert config == CONFIG
    assert set(weights) == {"body.weight", "body.bias", "neuron.slope"}
    assert not [p for p in whole.path.rglob("*") if p.name.endswith(".tmp")]


@pytest.mark.parametrize("at", [1, 3, 4, 5, 7, 8, 11])
def test_a_run_broken_off_and_resumed_has_the_same_bits(at: int, whole: Run, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    with pytest.raises(RuntimeError, match="broken off"):
        train(run, a_game(), CONFIG, draw, [Failing(at)], quiet=True)
    game = a_game()
    assert resume(run, game) == (at > 4)
    assert game.steps_done == (at - 1) // 4 * 4
    assert train(run, game, CONFIG, draw, quiet=True)
    assert files_of(run) == files_of(whole)
    assert scalars(run) == scalars(whole)


def test_a_finished_run_resumed_again_changes_nothing(whole: Run, tmp_path: Path) -> None:
    before = files_of(whole)
    game = a_game()
    assert resume(whole, game)
    assert train(whole, game, CONFIG, draw, quiet=True)
    assert files_of(whole) == before


def test_what_a_killed_run_left_half_written_is_mended(whole: Run, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    with pytest.raises(RuntimeError, match="broken off"):
        train(run, a_game(), CONFIG, draw, [Failing(11)], quiet=True)
    lines = (run.path / "metrics.jsonl").read_bytes()
    (run.path / "metrics.jsonl").write_bytes(lines[:-30])
    (run.path / "timings.jsonl").write_bytes(b'{"step": 5}\n{"step": Infinity}\n[[[[')
    (run.path / ".state.pt.abc123.tmp").write_bytes(b"half a state")
    (run.path / "samples" / ".step-0000012.png.abc.tmp").write_bytes(b"half a picture")
    game = a_game()
    resume(run, game)
    assert train(run, game, CONFIG, draw, quiet=True)
    assert files_of(run) == files_of(whole)
    assert not [p for p in run.path.rglob("*") if p.name.endswith(".tmp")]


def test_a_training_that_diverges_keeps_its_last_checkpoint(tmp_path: Path) -> None:
    run, game = a_run(tmp_path / "run"), a_game()

    class Spoil(Callback):
        def step(self, game: Game) -> None:
            if game.steps_done == 6:
                with torch.no_grad():
                    next(game.generator.parameters()).fill_(float("nan"))

    with pytest.raises(Diverged):
        train(run, game, CONFIG, draw, [Spoil()], quiet=True)
    _, weights = read_generator(run.path / "generator.safetensors", KIND, GameConfig)
    assert all(weight.isfinite().all() for weight in weights.values())
    state = run.load_state()
    assert state is not None
    assert state["steps_done"] == 4


def test_equal_generators_make_equal_files(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = ToyGenerator()
    contents = set()
    for number in range(20):  # the library orders metadata anew for every file
        save_generator(tmp_path / str(number), generator, CONFIG, KIND)
        contents.add((tmp_path / str(number)).read_bytes())
    assert len(contents) == 1


# ---- read without trust


def put_state(run: Run, content: bytes) -> None:
    (run.path / "state.pt").write_bytes(content)


def saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def squeezed(content: bytes) -> bytes:
    """The same archive with its members compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    return buffer.getvalue()


def test_a_pickle_bomb_in_place_of_a_state_runs_nothing(tmp_path: Path) -> None:
    run, mark = a_run(tmp_path / "run"), tmp_path / "mark"
    bomb = Pickled(mark)
    legacy = io.BytesIO()
    torch.save({"version": 1, "bomb": bomb}, legacy, _use_new_zipfile_serialization=False)
    for content in (pickle.dumps(bomb), saved(bomb), saved({"version": 1, "generator": bomb}), legacy.getvalue()):
        put_state(run, content)
        with pytest.raises(UserError, match=r"state\.pt: corrupt"):
            run.load_state()
        assert not mark.exists()
    pickle.loads(pickle.dumps(bomb))  # noqa: S301 (the bomb is a real one)
    assert mark.exists()


def test_corrupt_states_are_refused(tmp_path: Path) -> None:
    run, game = a_run(tmp_path / "run"), a_game()
    game.advance()
    run.save_state(game.state_dict())
    good = (run.path / "state.pt").read_bytes()
    bad = [
        b"",
        b"nonsense",
        good[: len(good) // 2],
        good[:-1],
        good[100:],
        bytes(1000),
        squeezed(saved(torch.zeros(10**7))),
    ]
    for content in bad:
        put_state(run, content)
        with pytest.raises(UserError, match=r"state\.pt: "):
            run.load_state()
    for value in ([1, 2], {"steps_done": 3}, {"version": 99}, 7):
        put_state(run, saved(value))
        with pytest.raises(UserError, match="not a state of this version"):
            run.load_state()
    put_state(run, good)
    assert resume(run, a_game())


@pytest.mark.parametrize("seed", range(8))
def test_a_state_with_bytes_turned_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    run, game = a_run(tmp_path / "run"), a_game()
    game.advance()
    run.save_state(game.state_dict())
    content = bytearray((run.path / "state.pt").read_bytes())
    generator = torch.Generator().manual_seed(seed)
    for place in torch.randint(len(content), (20,), generator=generator).tolist():
        content[place] ^= 1 << int(torch.randint(8, (), generator=generator))
    put_state(run, bytes(content))
    try:
        resume(run, a_game())
    except UserError as error:
        assert "state.pt" in str(error)  # noqa: PT017 (either is right)


def test_a_state_of_another_training_is_refused(tmp_path: Path) -> None:
    run, game = a_run(tmp_path / "run"), toy_game(g_optimizer={"kind": "rmsprop"})
    game.advance()
    run.save_state(game.state_dict())
    with pytest.raises(UserError, match=r"state\.pt: does not fit the run's config"):
        resume(run, a_game())


@pytest.mark.parametrize("damage", [{"steps_done": "three"}, {"wall_seconds": [1.0]}], ids=str)
def test_no_longer_training_from_a_damaged_state(damage: dict[str, object], tmp_path: Path) -> None:
    run, game = a_run(tmp_path / "run"), a_game()
    run.save_state({**game.state_dict(), **damage})
    before = (run.path / "config.yaml").read_bytes()
    with pytest.raises(UserError, match=r"state\.pt: does not fit the run's config"):
        run.with_budget(CONFIG, 50, None)
    assert (run.path / "config.yaml").read_bytes() == before


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no run"):
        Run.open(tmp_path / "none", KIND)
    with pytest.raises(UserError, match=r"not a run: it has no config\.yaml"):
        Run.open(tmp_path, KIND)
    a_run(tmp_path / "run")
    with pytest.raises(UserError, match="not a run of digits"):
        Run.open(tmp_path / "run", "digits")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 50_000, b" " * 200_000, b"9" * 50_000])
def test_a_corrupt_environment(content: bytes, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    (run.path / "environment.json").write_bytes(content)
    with pytest.raises(UserError, match=r"environment\.json: missing or corrupt"):
        run.environment()
    (run.path / "environment.json").unlink()
    with pytest.raises(UserError, match=r"environment\.json: missing or corrupt"):
        Run.open(run.path, KIND)


@pytest.mark.parametrize("seed", [None, -1, 2**64, 1.5, "7", True, [1]])
def test_a_seed_that_is_none(seed: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="seed is "):
        a_run(tmp_path / "run", seed=seed).seed()


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf"), "7", True, [1]])
def test_a_budget_that_is_none(minutes: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="minutes is "):
        a_run(tmp_path / "run", minutes=minutes).seconds()


def test_a_budget_of_minutes(tmp_path: Path) -> None:
    assert a_run(tmp_path / "run", minutes=1.5).seconds() == 90


def test_a_generator_that_is_missing_corrupt_or_anothers(tmp_path: Path) -> None:
    path = tmp_path / "generator.safetensors"
    with pytest.raises(UserError, match="not a run"):
        read_generator(path, KIND, GameConfig)
    (tmp_path / "config.yaml").touch()
    with pytest.raises(UserError, match="no generator yet"):
        read_generator(path, KIND, GameConfig)
    with pytest.raises(UserError, match="there is no run"):
        read_generator(tmp_path / "none" / path.name, KIND, GameConfig)
    save_generator(path, ToyGenerator(), CONFIG, KIND)
    good = path.read_bytes()
    with pytest.raises(UserError, match="not a generator of digits"):
        read_generator(path, "digits", GameConfig)
    header = json.dumps({"w": {"dtype": "F32", "shape": [2**30], "data_offsets": [0, 2**32]}}).encode()
    bad = [
        b"",
        b"nonsense",
        good[:-1],
        good[:50],
        pickle.dumps(Pickled(tmp_path / "mark")),
        struct.pack("<Q", 2**40) + good[8:],  # a header of a terabyte
        struct.pack("<Q", len(header)) + header + b"few",  # a tensor of four gigabytes
        struct.pack("<Q", 5) + b"[[[[[",
    ]
    for content in bad:
        path.write_bytes(content)
        with pytest.raises(UserError, match="corrupt, not safetensors"):
            read_generator(path, KIND, GameConfig)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("config", [None, "{", "[]", "7", '{"steps": 0}', '{"more": 1}', "[" * 10_000])
def test_a_generator_without_a_config(config: str | None, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "generator.safetensors"
    metadata = {"kind": KIND} if config is None else {"kind": KIND, "config": config}
    save_file({"w": torch.zeros(1)}, path, metadata)
    with pytest.raises(UserError, match=r"generator\.safetensors: "):
        read_generator(path, KIND, GameConfig)


def test_weights_that_do_not_fit_allocate_nothing(tmp_path: Path) -> None:
    with torch.device("meta"):
        huge = nn.Linear(10**6, 10**6)  # four terabytes
    for weights in ({}, {"weight": torch.zeros(3, 3), "bias": torch.zeros(3)}):
        with pytest.raises(UserError, match="weights don't fit the config"):
            fill(huge, weights, "file")
    small = nn.Linear(2, 2)
    state = {name: value.clone() for name, value in small.state_dict().items()}
    for wrong in (state | {"more": torch.zeros(1)}, state | {"bias": torch.zeros(2, dtype=torch.int64)}):
        with pytest.raises(UserError, match="weights don't fit"):
            fill(nn.Linear(2, 2), wrong, "file")
    filled = fill(nn.Linear(2, 2), state, "file")
    assert torch.equal(filled(torch.ones(1, 2)), small(torch.ones(1, 2)))
    assert not filled.training


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    with pytest.raises(UserError, match="no CUDA device here; use --device cpu"):
        choose_device("cuda")
    with pytest.raises(UserError, match="device is auto, cpu or cuda"):
        choose_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == "cuda"


def test_a_training_in_another_thread_leaves_signals_alone() -> None:
    def play() -> bool:
        with Interruption() as stop:
            return stop()

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(play).result() is False


class Filling:
    """Pickled in a few bytes, it takes a gigabyte when loaded; weights_only has no objection."""

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (10**9,)


def test_a_state_that_would_fill_memory_is_refused(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    for state in ({"version": 1, "x": Filling()}, {"version": torch.tensor([1, 2])}, {"version": True}, [1]):
        torch.save(state, run.path / "state.pt")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(UserError, match=r"state\.pt"):
            run.load_state()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 300_000_000 / (1024 if sys.platform == "linux" else 1)


def test_links_in_a_strangers_run_are_not_followed(tmp_path: Path) -> None:
    run, own = a_run(tmp_path / "run"), tmp_path / "own"
    (run.path / "metrics.jsonl").symlink_to(own)
    with pytest.raises(OSError, match="symbolic link"):
        append_bytes(run.path / "metrics.jsonl", b"{}")
    (run.path / ".lock").unlink(missing_ok=True)
    (run.path / ".lock").symlink_to(own)
    with pytest.raises(OSError, match="symbolic link"):
        Run.open(run.path, KIND).hold()
    assert not own.exists()


def test_sweeping_leaves_folders_alone(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    (run.path / ".within.tmp").mkdir()
    (run.path / ".cut.tmp").touch()
    run.sweep()
    assert (run.path / ".within.tmp").is_dir()
    assert not (run.path / ".cut.tmp").exists()
