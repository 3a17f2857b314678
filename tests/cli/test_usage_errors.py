"""Values that options refuse: one line with the option, the value, and what is wrong with it."""

from __future__ import annotations

import pytest
from command_line import refusal


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("render x.mid --out x.wav --rate text", "'--rate': 'text' is not a whole number (see bgmusic render --help)"),
        ("render x.mid --out x.wav --rate 8000.5", "'--rate': '8000.5' is not a whole number"),
        ("render x.mid --out x.wav --reverb high", "'--reverb': 'high' is not a number"),
        ("generate bach -n 0", "'-n' / '--number': '0' is less than 1"),
        ("generate bach --seed 9223372036854775808", "is more than 9223372036854775807"),
        ("generate bach --bpm nan", "'--bpm': 'nan' is not a number"),
        ("generate bach --bpm inf", "'--bpm': 'inf' is more than 1000"),
        ("train mnist --device tpu", "'--device': 'tpu' is not one of 'auto', 'cpu', 'cuda' (see"),
        ("data build songs --out x --resolution 999", "'--resolution': '999' is more than 480"),
        ("data check song.mid --bars 0", "'--bars': '0' is less than 1"),
    ],
)
def test_a_refused_value_is_named(arguments: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = refusal(capsys, *arguments.split())
    assert words in text
    assert "Input should" not in text


def test_a_long_value_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(refusal(capsys, "generate", "bach", "--seed", "x" * 5000)) < 200
