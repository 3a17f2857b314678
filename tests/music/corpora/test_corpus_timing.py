"""Metre, tempo and length of corpora: from MIDI files, through a corpus, to exported files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timed_midi import timing_of, write_bars

from bgmusic.cli.main import main
from bgmusic.errors import UserError
from bgmusic.music.corpora.build import build_corpus
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.corpora.metres import with_any_metre
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.timing import median_bpm
from bgmusic.music.rolls.tempo import bpm_at
from bgmusic.music.rolls.tracks import TrackSet

CASES = Path(__file__).parents[2] / "data" / "midi_cases"
LPD_5 = TrackSet.load("lpd-5")


def run(*args: object) -> int:
    try:
        main([str(arg) for arg in args])
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def built(out: Path, sources: list[Path], **options: object) -> Corpus:
    shutil.rmtree(out, ignore_errors=True)
    build_corpus(sources, out, Settings.create(LPD_5, 12, **{"min_tracks": 1, **options}))
    return open_corpus(out)


def test_six_eight_is_found_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    songs = sorted(CASES.glob("six-eight-*.mid"))
    assert run("data", "build", *songs, "--out", tmp_path / "c", "--metre", "6/8", "--min-tracks", 1) == 0
    corpus = open_corpus(tmp_path / "c")
    assert (len(corpus), corpus.settings.shape.metre) == (27, (6, 8))
    assert run("data", "export", tmp_path / "c", "--index", 3, "--out", tmp_path / "a.mid") == 0
    assert timing_of(tmp_path / "a.mid") == ([(0, 6, 8)], [(0, 135.0)], {12.0})
    capsys.readouterr()
    for metre, phrases in (("6/8", 1), ("3/4", 0), ("any", 1)):
        assert run("data", "check", tmp_path / "a.mid", "--metre", metre, "--min-tracks", 1) == 0
        assert f"(--min-tracks): {phrases}\n" in capsys.readouterr().out


def test_a_phrase_has_the_tempos_of_its_place(tmp_path: Path) -> None:
    corpus = built(tmp_path / "c", [CASES / "two-tempos.mid"])
    assert [corpus.info(i).bpm for i in (0, 8)] == [160, 60]
    assert corpus.info(6).tempos == corpus.roll(6).tempos == ((0, 160.0), (96, 60.0))
    assert corpus_phrases(corpus, corpus.indices()).roll(6).tempos == corpus.roll(6).tempos
    for bpm, expected in ((None, [(0, 160.0), (8, 60.0)]), (97, [(0, 97.0)])):
        options = ("--bpm", bpm) if bpm else ()
        assert run("data", "export", tmp_path / "c", "--index", 6, "--out", tmp_path / "a.mid", *options) == 0
        assert timing_of(tmp_path / "a.mid")[1] == expected


@given(
    metre=st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 2), (3, 2), (12, 8), (6, 16), (5, 8)]),
    other=st.sampled_from([(4, 4), (3, 4), (2, 4)]),
    tempos=st.lists(st.tuples(st.integers(1, 30), st.integers(40, 240)), max_size=5, unique_by=lambda row: row[0]),
    lead=st.integers(0, 3),
    shift=st.sampled_from([-1, 0, 1]),
)
@settings(max_examples=25)
def test_any_phrase_carries_metre_and_tempos(
    metre: tuple[int, int],
    other: tuple[int, int],
    tempos: list[tuple[int, int]],
    lead: int,
    shift: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    beats = lead * 4 * other[0] / other[1] + 6 * 4 * metre[0] / metre[1]
    tempo = [(0.0, 100.0), *((float(beat), float(bpm)) for beat, bpm in sorted(tempos) if beat < beats)]
    file = write_bars(folder / "a.mid", [(lead, *other), (6, *metre)], tempos=tempo, shift=shift)
    corpus = built(folder / "c", [file], metre=metre)
    assert len(corpus) == (lead + 3 if other == metre else 3)
    for index in range(len(corpus)):
        info, roll = corpus.info(index), corpus.roll(index)
        assert (info.metre, roll.metre, roll.bars) == (metre, metre, 4)
        own = min(info.bar, lead)
        beat = own * 4 * other[0] / other[1] + (info.bar - own) * 4 * metre[0] / metre[1]
        for step in range(0, 4 * roll.steps, 3):
            at = beat + step / 12
            expected = max((row for row in tempo if round(row[0] * 12) <= round(at * 12)), key=lambda row: row[0])[1]
            assert bpm_at(roll.tempos or (), step) == pytest.approx(expected, abs=1e-3)
        roll.save(folder / "b.mid")
        metres, written, ends = timing_of(folder / "b.mid")
        assert metres == [(0, *metre)]
        assert ends == {16 * metre[0] / metre[1]}
        assert [bpm for _, bpm in written] == [pytest.approx(bpm, abs=1e-3) for _, bpm in roll.tempos or ()]


def test_a_corpus_of_any_metre_takes_the_most_frequent_length(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {"a": [(9, 6, 8)], "b": [(6, 3, 4)], "c": [(4, 4, 4), (5, 3, 4), (5, 6, 8)], "d": [(8, 4, 4)]}
    songs = [write_bars(tmp_path / f"{name}.mid", metres) for name, metres in rows.items()]
    out = tmp_path / "out"
    assert run("data", "build", *songs, "--out", out, "--metre", "any", "--min-tracks", 1) == 0
    assert "any metre as long as 6/8" in capsys.readouterr().out
    corpus = open_corpus(out)
    assert (corpus.meta["version"], corpus.settings.shape.metre, corpus.settings.shape.steps) == (2, (6, 8), 36)
    found = [(Path(info.source).stem, info.bar, info.metre) for info in map(corpus.info, range(len(corpus)))]
    assert found == [
        *(("a", bar, (6, 8)) for bar in range(6)),
        *(("b", bar, (3, 4)) for bar in range(3)),
        *(("c", bar, (3, 4)) for bar in (4, 5)),
        *(("c", bar, (6, 8)) for bar in (9, 10)),
    ]
    batch = corpus_phrases(corpus, corpus.indices())
    assert [batch.roll(i).metre for i in range(len(batch))] == [metre for *_, metre in found]
    assert "3/4" in repr(corpus.roll(7))
    meta = json.loads((out / "meta.json").read_text())
    for change in ({"metres": [[0, 4, 0]]}, {"metres": [[9, 3, 4], [0, 6, 8]]}, {"tempos": [[0, -1, 90]]}):
        (out / "meta.json").write_text(json.dumps(meta | {"pieces": [meta["pieces"][0] | change, *meta["pieces"][1:]]}))
        with pytest.raises(UserError, match="damaged"):
            open_corpus(out)


def test_any_metre_without_usable_files_is_common_time(tmp_path: Path) -> None:
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    write_bars(tmp_path / "odd.mid", [(9, 5, 64)])
    chosen = with_any_metre([str(tmp_path)], Settings.create(LPD_5, 4, any_metre=True))
    assert (chosen.metre, chosen.shape.metre, chosen.shape.steps) == (None, (4, 4), 16)


def test_metres_that_fit_no_step_are_left_out(tmp_path: Path) -> None:
    songs = [write_bars(tmp_path / "a.mid", [(9, 7, 16)]), write_bars(tmp_path / "b.mid", [(3, 3, 4)])]
    settings = with_any_metre(list(map(str, songs)), Settings.create(LPD_5, 2, bars=1, min_tracks=1, any_metre=True))
    assert settings.shape.metre == (3, 4)
    corpus = Settings.create(LPD_5, 2, bars=1, min_tracks=1, any_metre=True, metre=(2, 4))  # 7/16 is 3.5 steps
    with pytest.raises(UserError, match="no phrase"):
        build_corpus(songs, tmp_path / "c", corpus)


def test_halves_of_bars_are_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    song = write_bars(tmp_path / "a.mid", [(1, 1, 4), (16, 2, 4)])
    out = tmp_path / "out"
    assert run("data", "build", song, "--out", out, "--metre", "4/4", "--min-tracks", 1) != 0
    assert "it has no 4 bars of 4/4 in a row (bars: 16 of 2/4, 1 of 1/4)" in capsys.readouterr().err
    assert run("data", "build", song, "--out", out, "--metre", "4/4", "--join", "--min-tracks", 1) == 0
    corpus = open_corpus(out)
    assert ([corpus.info(i).bar for i in range(len(corpus))], corpus.settings.join) == ([1, 2, 3, 4, 5], True)
    assert run("data", "check", song, "--metre", "4/4", "--join", "--min-tracks", 1) == 0
    assert "8 in 4/4" in capsys.readouterr().out
    assert run("data", "build", song, "--out", out, "--metre", "any", "--join") != 0


def test_loops_and_silent_bars(tmp_path: Path) -> None:
    corpus = built(tmp_path / "c", [CASES / "loop.mid", CASES / "beat.mid"])
    assert len(corpus) == 2
    for index in range(2):
        corpus.roll(index).save(tmp_path / "a.mid")
        assert timing_of(tmp_path / "a.mid")[2] == {16.0}


def test_median_tempo() -> None:
    def piece(bpm: float, phrases: int, split: str = "train") -> dict[str, object]:
        return {"bpm": bpm, "phrases": phrases, "split": split}

    assert median_bpm([piece(90, 1), piece(100, 3), piece(200, 1), piece(60, 99, "test")]) == 100
    assert median_bpm([piece(90, 1, "test")]) == 90
    assert median_bpm([piece(5000, 1)]) == 1000
    assert median_bpm([]) is None
    assert open_corpus("freedoom").bpm == 115
