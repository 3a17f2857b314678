"""Test checkpoints: untrusted states run no code, use little memory, and are refused if they do not fit."""

from __future__ import annotations

import io
import pickle
import resource
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from pickles import Bomb, Gigabyte, saved
from toy_runs import CONFIG, make_game, make_run
from toys import toy_game

from bgmusic.errors import UserError
from bgmusic.training.runs import Run
from bgmusic.training.session import resume


def put_state(run: Run, content: bytes) -> None:
    (run.path / "state.pt").write_bytes(content)


def compressed(content: bytes) -> bytes:
    """Compress the members of a ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    return buffer.getvalue()


def test_a_harmful_pickle_is_refused_and_runs_no_code(tmp_path: Path) -> None:
    run, mark = make_run(tmp_path / "run"), tmp_path / "mark"
    bomb = Bomb(mark)
    legacy = saved({"version": 1, "bomb": bomb}, _use_new_zipfile_serialization=False)
    for content in (pickle.dumps(bomb), saved(bomb), saved({"version": 1, "generator": bomb}), legacy):
        put_state(run, content)
        with pytest.raises(UserError, match=r"state\.pt"):
            run.load_state()
        assert not mark.exists()
    pickle.loads(pickle.dumps(bomb))  # noqa: S301 (it does run code when unpickled)
    assert mark.exists()


def test_corrupt_states_are_refused(tmp_path: Path) -> None:
    run, game = make_run(tmp_path / "run"), make_game()
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
        compressed(saved(torch.zeros(10**7))),
    ]
    for content in bad:
        put_state(run, content)
        with pytest.raises(UserError, match=r"state\.pt: "):
            run.load_state()
    for value in ([1, 2], {"steps_done": 3}, {"version": 99}, 7):
        put_state(run, saved(value))
        with pytest.raises(UserError, match=r"state\.pt: .*version"):
            run.load_state()
    put_state(run, good)
    assert resume(run, make_game())


@pytest.mark.parametrize("seed", range(8))
def test_a_state_with_flipped_bits_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    run, game = make_run(tmp_path / "run"), make_game()
    game.advance()
    run.save_state(game.state_dict())
    content = bytearray((run.path / "state.pt").read_bytes())
    generator = torch.Generator().manual_seed(seed)
    for place in torch.randint(len(content), (20,), generator=generator).tolist():
        content[place] ^= 1 << int(torch.randint(8, (), generator=generator))
    put_state(run, bytes(content))
    try:
        resume(run, make_game())
    except UserError as error:
        assert "state.pt" in str(error)  # noqa: PT017 (either is right)


def test_a_state_of_another_config_is_refused(tmp_path: Path) -> None:
    run, game = make_run(tmp_path / "run"), toy_game(g_optimizer={"kind": "rmsprop"})
    game.advance()
    run.save_state(game.state_dict())
    with pytest.raises(UserError, match=r"state\.pt: .*config"):
        resume(run, make_game())


@pytest.mark.parametrize("damage", [{"steps_done": "three"}, {"wall_seconds": [1.0]}], ids=str)
def test_a_damaged_state_does_not_change_the_config(damage: dict[str, object], tmp_path: Path) -> None:
    run, game = make_run(tmp_path / "run"), make_game()
    run.save_state({**game.state_dict(), **damage})
    before = (run.path / "config.yaml").read_bytes()
    with pytest.raises(UserError, match=r"state\.pt: .*config"):
        run.with_budget(CONFIG, 50, None)
    assert (run.path / "config.yaml").read_bytes() == before


def test_a_state_that_needs_much_memory_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    for state in ({"version": 1, "x": Gigabyte()}, {"version": torch.tensor([1, 2])}, {"version": True}, [1]):
        torch.save(state, run.path / "state.pt")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(UserError, match=r"state\.pt"):
            run.load_state()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 300_000_000 / (1024 if sys.platform == "linux" else 1)
