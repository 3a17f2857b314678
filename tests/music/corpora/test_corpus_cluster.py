"""Build a corpus on a Dask cluster: the bytes are those of a local build."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from music_maker import write_songs

from bgmusic.errors import UserError
from bgmusic.music.corpora import build as build_module
from bgmusic.music.corpora import cluster
from bgmusic.music.corpora.build import Workers, build_corpus
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.rolls.tracks import TrackSet

SETTINGS = Settings.create(TrackSet.load("lpd-5"), 12)


@pytest.fixture
def address() -> Iterator[str]:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as workers:
        yield workers.scheduler_address


@pytest.mark.slow
def test_two_workers_build_the_same_corpus(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "CHUNK_ENTRIES", 2)
    songs = write_songs(tmp_path / "songs", range(9))
    (songs / "broken.mid").write_bytes(b"?")
    seen: list[int] = []
    build_corpus(
        [str(songs)],
        tmp_path / "cluster",
        SETTINGS,
        workers=Workers(backend="dask", scheduler=address),
        progress=lambda done, total: seen.append(done),
    )
    build_corpus([str(songs)], tmp_path / "here", SETTINGS)
    assert seen == [0, 2, 4, 6, 8, 10]
    for path in (tmp_path / "here").iterdir():
        assert (tmp_path / "cluster" / path.name).read_bytes() == path.read_bytes()


def test_no_scheduler_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    songs = write_songs(tmp_path / "songs", range(1))
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(UserError, match="no Dask scheduler answers"):
            build_corpus([str(songs)], tmp_path / "out", SETTINGS, workers=Workers(backend="dask", scheduler=address))
