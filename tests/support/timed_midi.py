"""Make MIDI files of given bars, metres and tempos, byte by byte, and read them back by mido."""

from __future__ import annotations

from pathlib import Path

import mido

PROGRAMS = (0, 25, 33, 48)


def write_bars(
    path: Path,
    metres: list[tuple[int, int, int]],
    *,
    tempos: list[tuple[float, float]] = (),  # type: ignore[assignment]
    division: int = 480,
    shift: int = 0,
    silent: int = 0,
    slack: int = 0,
) -> Path:
    """Write a MIDI file whose four pitched tracks play a note on every bar line, and on none of the silent bars.

    Args:
        path: the file.
        metres: (bars, numerator, denominator) of each section.
        tempos: (beat, beats per minute) of each tempo.
        division: ticks per beat.
        shift: ticks by which time signatures and tempos after the first come late (negative: early).
        silent: silent bars at the end, among those of the last section.
        slack: ticks from the last bar line to the end of track.

    """
    lines, maps, tick = [], [], 0
    for bars, numerator, denominator in metres:
        event = mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator)
        maps.append((max(0, tick + shift * bool(tick)), event))
        for _ in range(bars):
            lines.append((tick, 4 * division * numerator // denominator))
            tick += lines[-1][1]
    for beat, bpm in tempos:
        at = round(beat * division)
        maps.append((max(0, at + shift * bool(at)), mido.MetaMessage("set_tempo", tempo=round(60e6 / bpm))))
    file = mido.MidiFile(ticks_per_beat=division)
    file.tracks.append(track(maps, tick + slack))
    for channel, program in enumerate(PROGRAMS):
        events: list[tuple[int, mido.Message]] = [(0, mido.Message("program_change", channel=channel, program=program))]
        for start, length in lines[: len(lines) - silent]:
            events.append((start, mido.Message("note_on", channel=channel, note=60, velocity=90)))
            events.append((start + max(1, length // 2), mido.Message("note_off", channel=channel, note=60)))
        file.tracks.append(track(events, tick + slack))
    file.save(str(path))
    return path


def track(events: list[tuple[int, mido.Message]], end: int) -> mido.MidiTrack:
    """Return a track of events at ticks, and of the end of track."""
    result, before = mido.MidiTrack(), 0
    for tick, event in [*sorted(events, key=lambda row: row[0]), (end, mido.MetaMessage("end_of_track"))]:
        result.append(event.copy(time=max(0, tick - before)))
        before = max(before, tick)
    return result


def timing_of(path: Path) -> tuple[list[tuple[float, int, int]], list[tuple[float, float]], set[float]]:
    """Read time signatures, tempos (by beat, bpm to 3 decimals) and the ends of all tracks in beats, by mido."""
    file = mido.MidiFile(str(path))
    metres, tempos, ends = [], [], set()
    for one in file.tracks:
        tick = 0
        for event in one:
            tick += event.time
            beat = tick / file.ticks_per_beat
            if event.type == "time_signature":
                metres.append((beat, event.numerator, event.denominator))
            elif event.type == "set_tempo":
                tempos.append((beat, round(mido.tempo2bpm(event.tempo), 3)))
        ends.add(tick / file.ticks_per_beat)
    return metres, tempos, ends
