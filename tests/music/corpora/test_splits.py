"""Splits: every share has a piece while there are pieces, large corpora keep theirs, and the printed advice works."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from music_maker import write_songs

from bgmusic.files import data_dir
from bgmusic.music.corpora.build import build_corpus
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.split import SPLITS, assign_splits, split_of
from bgmusic.music.corpora.summary import describe_corpus
from bgmusic.music.rolls.tracks import TrackSet


def _hashes(count: int, seed: int = 0) -> dict[int, str]:
    return {n: hashlib.sha256(f"{seed} {n}".encode()).hexdigest() for n in range(count)}


SHARES = st.sampled_from(
    [(0.8, 0.1, 0.1), (1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.0, 0.5, 0.5), (0.0, 0.0, 1.0), (0.98, 0.01, 0.01)]
)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 12), SHARES, st.integers(0, 1000))
def test_each_share_has_a_piece_while_there_are_pieces(
    count: int, shares: tuple[float, float, float], seed: int
) -> None:
    groups = _hashes(count, seed)
    splits, moved = assign_splits(groups, shares)
    wanted = [name for name, share in zip(SPLITS, shares, strict=True) if share]
    held = {name for name in SPLITS if name in splits.values()}
    assert held <= set(wanted)
    assert len(held) == min(count, len(wanted))
    assert not (shares[0] and count) or "train" in held
    assert moved == sum(splits[group] != split_of(sha, shares) for group, sha in groups.items())
    renumbered, _ = assign_splits({-n: groups[n] for n in reversed(groups)}, shares)
    assert {-n: name for n, name in renumbered.items()} == splits  # the order of the pieces does not matter


def test_pieces_stay_where_every_split_has_one() -> None:
    groups = _hashes(200)
    splits, moved = assign_splits(groups, (0.8, 0.1, 0.1))
    assert moved == 0
    assert splits == {group: split_of(sha, (0.8, 0.1, 0.1)) for group, sha in groups.items()}


@pytest.mark.parametrize("name", ["bach", "freedoom"])
def test_embedded_corpora_keep_their_splits(name: str) -> None:
    corpus = open_corpus(data_dir() / name)
    smallest: dict[int, str] = {}
    for piece in corpus.pieces:
        smallest[piece["group"]] = min(smallest.get(piece["group"], piece["sha256"]), piece["sha256"])
    splits, moved = assign_splits(smallest, corpus.settings.shares)
    assert moved == 0
    assert [splits[piece["group"]] for piece in corpus.pieces] == [piece["split"] for piece in corpus.pieces]


def _build(folder: Path, out: Path, shares: tuple[float, float, float] = (0.8, 0.1, 0.1)) -> tuple[dict, list[str]]:
    meta = build_corpus(folder, out, Settings.create(TrackSet.load("lpd-5"), 12, shares=shares))
    return meta, describe_corpus(meta)


def test_three_files_give_three_splits_and_two_give_held_out_phrases(tmp_path: Path) -> None:
    for count in (2, 3, 5):
        meta, lines = _build(write_songs(tmp_path / f"songs{count}", range(count), bars=6), tmp_path / f"out{count}")
        held = [name for name in SPLITS if meta["counts"]["splits"][name]["pieces"]]
        assert held == list(SPLITS[:count])
        assert not any(line.startswith("warning") for line in lines)


def test_the_advice_for_a_corpus_without_held_out_pieces_works(tmp_path: Path) -> None:
    one = write_songs(tmp_path / "one", range(1), bars=6)
    _, lines = _build(one, tmp_path / "a")
    assert any(
        line.startswith("warning") and line.endswith("it has a single piece: add another file") for line in lines
    )
    _, lines = _build(write_songs(one, range(2), bars=6), tmp_path / "b")
    assert not any(line.startswith("warning") for line in lines)

    _, lines = _build(one, tmp_path / "c", (1.0, 0.0, 0.0))
    assert any(line.startswith("warning") and line.endswith("--splits 0.8,0.1,0.1") for line in lines)
    assert not any("add another" in line for line in lines)

    copies = tmp_path / "copies"
    copies.mkdir()
    for name in ("a.mid", "b.mid"):
        (copies / name).write_bytes((one / "song000.mid").read_bytes())
    _, lines = _build(copies, tmp_path / "d")
    assert any("its pieces share phrases, so they stay in one split: add another file" in line for line in lines)


def _unlucky(count: int) -> dict[int, str]:
    """Find hashes of pieces of which most fall into the test split."""
    for seed in range(20_000):
        groups = _hashes(count, seed)
        splits = list(assign_splits(groups, (0.8, 0.1, 0.1))[0].values())
        if splits.count("test") > splits.count("train"):
            return groups
    raise AssertionError("none found")


def test_the_advice_for_more_test_than_training_pieces_works(tmp_path: Path) -> None:
    meta, lines = _build(write_songs(tmp_path / "songs", range(3), bars=6), tmp_path / "out")
    assert not any("to train on" in line for line in lines)
    groups = _unlucky(4)

    def described(shares: tuple[float, ...]) -> list[str]:
        splits, _ = assign_splits(groups, shares)  # type: ignore[arg-type]
        pieces = [meta["pieces"][0] | {"group": g, "sha256": sha, "split": splits[g]} for g, sha in groups.items()]
        lines = describe_corpus(meta | {"pieces": pieces, "settings": meta["settings"] | {"shares": list(shares)}})
        return [line for line in lines if "to train on" in line]

    (line,) = described((0.8, 0.1, 0.1))
    assert line.startswith("warning: 1 piece to train on, 2 in the test split: add files, or give --splits ")
    advised = tuple(float(share) for share in line.rpartition(" ")[2].split(","))
    assert described(advised) == []
    assert described((0.2, 0.4, 0.4)) == []  # as was asked for
