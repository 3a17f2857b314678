"""``bgmusic data tracks``: the proposed track sets, their YAML, and what is left out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import symusic
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmusic.cli.main import main
from bgmusic.errors import UserError
from bgmusic.files import data_dir
from bgmusic.music.corpora.families import NO_MUSIC, group_families
from bgmusic.music.corpora.proposal_text import note_name, proposal_yaml
from bgmusic.music.corpora.propose import Proposal, propose_tracks
from bgmusic.music.corpora.survey import Files
from bgmusic.music.midi.song import NOTE, Song, sort_notes, table
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.tracks import TrackSet

Part = tuple[str, int, bool, int, int]  # name, program, is_drum, lowest pitch, notes of each chord

QUARTET = [("Violin I", 40, False, 70, 1), ("Violin II", 40, False, 62, 1), ("Viola", 41, False, 55, 1)]
POP = [
    ("MELODY", 0, False, 72, 1),
    ("BRIDGE", 0, False, 60, 1),
    ("PIANO", 0, False, 40, 2),
    ("CHORDS", 0, False, 50, 3),
]
BAND = [("", 0, True, 36, 1), ("MIDI out", 34, False, 30, 1), ("", 30, False, 45, 2), ("x", 48, False, 55, 2)]


class Songs:
    """Songs in place of ``Files``."""

    def __init__(self, songs: list[Song]) -> None:
        self._songs = songs

    def songs(self, progress: Callable[[int], None]) -> Iterator[Song]:
        for song in self._songs:
            yield song
            progress(1)


def _song(parts: list[Part], seed: int = 0, bars: int = 4) -> Song:
    rng = random.Random(seed)
    rows = []
    for part, (_, program, drum, low, size) in enumerate(parts):
        for beat in range(4 * bars):
            offset = rng.randrange(8)
            rows += [(4 * beat, 4, low + offset + 4 * n, 80, program, drum, part) for n in range(size)]
    return Song(4, sort_notes(table(NOTE, rows)), parts=tuple(part[0] for part in parts))


def _propose(songs: list[Song], most: int = 8) -> Proposal:
    return propose_tracks(Songs(songs), "mine", most)  # type: ignore[arg-type]


def _loaded(proposal: Proposal) -> TrackSet:
    """Return the set as its YAML gives it, checked to be the same."""
    text = proposal_yaml(proposal)
    loaded = TrackSet.from_dict(yaml.safe_load(text))
    assert loaded.to_dict() == proposal.track_set.to_dict()
    return loaded


def test_names_that_tell_parts_of_one_program_apart_become_tracks_in_score_order():
    loaded = _loaded(_propose([_song(QUARTET, seed) for seed in range(5)]))
    assert loaded.by == "name"
    assert [(track.name, track.program) for track in loaded.tracks] == [
        ("Violin I", 40),
        ("Violin II", 40),
        ("Viola", 41),
    ]


def test_chord_labels_beside_a_piano_are_annotations_and_a_lead_sheets_chords_are_music():
    proposal = _propose([_song(POP, seed) for seed in range(5)])
    loaded = _loaded(proposal)
    assert [track.name for track in loaded.tracks] == ["Melody", "Bridge", "Piano"]
    assert loaded.annotations == ("chords",)
    assert sum(proposal.fit.left_out.values()) == 0
    sheet = _loaded(_propose([_song([POP[0], POP[3]], seed) for seed in range(5)]))
    assert [track.name for track in sheet.tracks] == ["Melody", "Chords"]
    assert sheet.annotations == ()


def test_bands_with_messy_names_are_grouped_by_program():
    loaded = _loaded(_propose([_song(BAND, seed) for seed in range(5)]))
    assert loaded.by == "program"
    assert [track.name for track in loaded.tracks] == ["Drums", "Guitar", "Bass", "Ensemble"]
    assert loaded.tracks[1].programs == tuple(range(24, 32))
    assert loaded.low % 12 == 0
    assert loaded.pitches % 12 == 0


def test_a_mixed_folder_collects_by_name_then_by_program_and_keeps_nearly_all_notes():
    proposal = _propose([_song(POP, n) for n in range(6)] + [_song(BAND, n) for n in range(6)])
    loaded = _loaded(proposal)
    assert loaded.by == ("name", "program")
    assert {"Melody", "Bridge", "Piano", "Drums", "Bass", "Guitar"} <= {track.name for track in loaded.tracks}
    assert sum(proposal.fit.left_out.values()) == 0


def test_names_that_need_more_tracks_than_allowed_are_named_with_a_number_that_works():
    songs = [_song(QUARTET, n) for n in range(4)] + [_song(BAND, n) for n in range(12)]
    few = _propose(songs, most=5)
    assert few.unused == ("violin i", "violin ii", "viola")
    assert f"give --most {few.needed}" in proposal_yaml(few)
    assert len(few.track_set) <= 5
    enough = _propose(songs, most=few.needed)
    assert enough.unused == ()
    assert {"Violin I", "Violin II", "Viola"} <= {track.name for track in enough.track_set.tracks}


def test_channels_decide_where_names_and_programs_do_not():
    songs = [_song([(str(c), 0, False, 40 + 10 * c, 1) for c in (1, 2, 3)], n) for n in range(3)]
    songs = [Song(song.ticks_per_beat, song.notes, parts=song.parts, channels=(1, 2, 3)) for song in songs]
    loaded = _loaded(_propose(songs))
    assert loaded.by == ("name", "channel")
    assert [track.channels for track in loaded.tracks] == [(1,), (2,), (3,)]


def test_together_counts_bars_in_which_both_play():
    rows = [(0, 16, 60, 80, 0, False, 0), (8, 24, 40, 80, 33, False, 1)]  # bars 1, and 1 to 2, of 16 ticks
    proposal = _propose([Song(4, table(NOTE, rows), parts=("", ""))])
    assert proposal.fit.together.tolist() == [[1, 1], [1, 2]]
    assert proposal.fit.bars == 2
    text = proposal_yaml(proposal)
    assert "plays in 50% of the bars of 4 beats, in these: Bass 100%" in text
    assert "1 of 1 file, 50% of the notes, most from C4 to C4 (median C4)" in text


@settings(deadline=None, max_examples=150)
@given(
    st.dictionaries(st.integers(0, 15), st.sets(st.integers(0, 20), min_size=1), min_size=1),
    st.integers(1, 10),
    st.integers(1, 10),
)
def test_families_are_grouped_once_each(files: dict[int, set[int]], least: int, most: int) -> None:
    groups = group_families(files, least, most)
    grouped = [family for group in groups for family in group]
    assert 1 <= len(groups) <= most
    assert sorted(grouped) == sorted({*files} - {*NO_MUSIC} or {*files})
    if len(groups) > 1:
        assert all(len(set().union(*(files[family] for family in group))) >= least for group in groups)


ODD = st.one_of(
    st.text(max_size=100), st.sampled_from(["*", "[", "# x", "a: b", "'", '"', "chords", "Piano", "x\n", "💿" * 60])
)
PART = st.tuples(ODD, st.integers(0, 127), st.booleans(), st.integers(0, 100), st.integers(1, 3))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(PART, min_size=1, max_size=5), min_size=1, max_size=4), st.integers(1, 6))
def test_any_files_get_a_track_set_that_takes_in_their_notes(folders: list[list[Part]], most: int) -> None:
    songs = [_song(parts, seed, bars=1) for seed, parts in enumerate(folders)]
    proposal = _propose(songs, most)
    loaded = _loaded(proposal)
    assert 1 <= len(loaded) <= most
    comments = [line for line in proposal_yaml(proposal).split("\n") if line.lstrip().startswith("#")]
    assert all(line.isprintable() for line in comments)
    losses = [quantise(song, loaded, 4).losses for song in songs]
    assert sum(loss.annotations for loss in losses) == proposal.fit.annotations
    assert sum(loss.no_track for loss in losses) == sum(proposal.fit.left_out.values())


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    try:
        main([str(arg) for arg in args])
        code = 0
    except SystemExit as done:
        code = int(done.code or 0)
    out = capsys.readouterr()
    return code, out.out, out.err


def test_the_command_writes_yaml_that_a_build_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    songs, yaml_file = tmp_path / "songs", tmp_path / "mine.yaml"
    songs.mkdir()
    for seed in range(3):
        score = symusic.Score(480)
        for name, program, drum, low, _ in QUARTET:
            track = symusic.Track(name, program, drum)
            rng = random.Random(seed)
            track.notes.extend(symusic.Note(480 * n, 480, low + rng.randrange(10), 80) for n in range(32))
            score.tracks.append(track)
        score.dump_midi(str(songs / f"{seed}.mid"))
    (songs / "broken.mid").write_bytes(b"MThd\0")
    code, out, err = run(capsys, "data", "tracks", songs)
    assert code == 0
    assert "broken.mid: unusable: " in err
    assert [track["name"] for track in yaml.safe_load(out)["tracks"]] == ["Violin I", "Violin II", "Viola"]

    code, out, _ = run(capsys, "data", "tracks", songs, "--out", yaml_file)
    assert code == 0
    assert "3 tracks: Violin I, Violin II, Viola" in out
    assert run(capsys, "data", "tracks", songs, "--out", yaml_file)[0] == 2  # the user may have edited it
    assert run(capsys, "data", "tracks", songs, "--out", yaml_file, "--overwrite")[0] == 0
    code, out, _ = run(capsys, "data", "build", songs, "--tracks", yaml_file, "--out", tmp_path / "corpus")
    assert code == 0
    assert "tracks: Violin I, Violin II, Viola (songs)" in out
    assert "notes: 288 of 288 kept" in out


def test_folders_without_music_are_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "data", "tracks", tmp_path)
    assert code == 2
    assert "no music in" in err
    (tmp_path / "broken.mid").write_bytes(b"MThd\0")
    code, _, err = run(capsys, "data", "tracks", tmp_path)
    assert code == 2
    assert "the file cannot be read" in err
    with pytest.raises(UserError, match="0 tracks are not within"):
        _propose([_song(BAND)], most=0)


def test_the_track_set_of_the_guide_is_valid() -> None:
    guide = Path(__file__).parents[3] / "docs" / "guide" / "your-midi.md"
    text = guide.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    track_set = TrackSet.from_dict(yaml.safe_load(text))
    song = _song(
        [("Vocals 2", 0, False, 60, 1), ("", 33, False, 40, 1), ("", 0, True, 40, 1), ("Chords", 0, False, 50, 3)]
    )
    losses = quantise(song, track_set, 4).losses
    assert (losses.no_track, losses.annotations) == (0, 48)


def test_freedoom_gets_drums_guitar_and_bass_by_program() -> None:
    files = Files([str(data_dir() / "midi" / "freedoom")])
    proposal = propose_tracks(files, "freedoom")
    files.close()
    names = [track.name for track in proposal.track_set.tracks]
    assert proposal.track_set.by == "program"
    assert {"Drums", "Keys", "Guitar", "Bass", "Ensemble"} <= set(names)
    assert sum(proposal.fit.left_out.values()) < 0.02 * proposal.fit.pitches.sum()
    assert note_name(60) == "C4"
