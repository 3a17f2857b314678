"""The text of songs, pieces and batches: one short line, whatever they hold."""

from __future__ import annotations

import numpy as np

import bgmusic
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.midi.song import CONTROL, NOTE, TEMPO, TIME_SIGNATURE, Song, table
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.tracks import Track, TrackSet

NOTES = table(NOTE, [(0, 480, 60, 100, 0, False, 0), (480, 960, 62, 100, 0, False, 0)])


def test_a_song_is_one_short_line() -> None:
    song = Song(480, NOTES, table(TEMPO, [(0, 90.0)]), table(TIME_SIGNATURE, [(0, 3, 4)]), parts=("a",), end=5760)
    assert repr(song) == "Song(1 part, 2 notes, 12 beats, 3/4, 90 bpm)"
    assert repr(Song(480, NOTES[:1], parts=("a", "b"))) == "Song(2 parts, 1 note, 1 beat, 120 bpm)"
    assert repr(Song(480, table(NOTE))) == "Song(0 parts, 0 notes, 0 beats, 120 bpm)"


def test_the_title_of_a_song_is_cut_and_shown_safely() -> None:
    text = repr(Song(480, NOTES, title="Long\n\x1b[31m" * 500, controls=table(CONTROL, [(0, 0, 64, 127)] * 9)))
    assert text.isprintable()
    assert len(text) < 120
    assert text.startswith("Song('Long")


def test_pieces_batches_and_loaders_are_one_short_line() -> None:
    tracks = TrackSet("s\net" * 99, (Track("a", 0, programs=(0,)),))
    piece = quantise(Song(480, NOTES, end=5760), tracks, 4)
    assert "3 bars, 2 notes, 4 steps per beat" in repr(piece)
    corpus = bgmusic.open_corpus("bach")
    phrases = corpus_phrases(corpus, np.arange(1))
    assert repr(phrases) == "Phrases('satb': 1 phrase of 4 bars of 16 steps, 4 per beat, encoding onset)"
    assert repr(corpus.loader("test")).startswith("Loader('bach': ")
    for one in (piece, phrases, corpus, corpus.loader("test")):
        assert repr(one).isprintable()
        assert len(repr(one)) < 150
