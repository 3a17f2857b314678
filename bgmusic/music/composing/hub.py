"""Share generators through the Hugging Face Hub. Needs the extra ``hub`` (huggingface_hub)."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bgmusic.errors import UserError
from bgmusic.music.composing.pretrained import CONFIG, WEIGHTS, save_pretrained
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.training.protocols import SampleNetwork

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_LARGEST = 1 << 31  # bytes of a file that is downloaded


def is_repo_id(name: str) -> bool:
    """Return whether a name has the form of a Hub repository id, ``owner/name``."""
    return _REPO_ID.fullmatch(name) is not None and ".." not in name and "--" not in name


def upload(
    network: SampleNetwork,
    config: PianorollConfig,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    message: str,
) -> str:
    """Upload a generator to a repository, which is created if need be; returns the address of the commit.

    Raises:
        UserError: huggingface_hub is not installed, ``repo_id`` is malformed, or the Hub refuses.

    """
    hub = _hub()
    _check(repo_id)
    api = hub.HfApi(token=token)
    with tempfile.TemporaryDirectory() as folder, _errors(repo_id):
        save_pretrained(network, config, folder)
        api.create_repo(repo_id, private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=message)
    return str(commit.commit_url)


def download(repo_id: str, revision: str | None = None) -> Path:
    """Download a generator's config and weights to the Hub's cache; returns their folder.

    Raises:
        UserError: huggingface_hub is not installed, there is no such repository or file, or a file is too large.

    """
    hub = _hub()
    _check(repo_id)
    with _errors(repo_id):
        for name in (CONFIG, WEIGHTS):
            about = hub.get_hf_file_metadata(hub.hf_hub_url(repo_id, name, revision=revision))
            if about.size is None or about.size > _LARGEST:
                raise UserError(f"{repo_id}: {name} is larger than {_LARGEST:,} bytes")
        paths = [Path(hub.hf_hub_download(repo_id, name, revision=revision)) for name in (CONFIG, WEIGHTS)]
    return paths[0].parent


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise UserError('the Hub needs huggingface_hub: pip install "bgmusic[hub]"') from None
    return huggingface_hub


def _check(repo_id: str) -> None:
    if not is_repo_id(repo_id):
        raise UserError(f"{repo_id!r} is no id of a Hub repository: expected owner/name")


@contextmanager
def _errors(repo_id: str) -> Iterator[None]:
    """Turn the Hub's errors into one line."""
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

    try:
        yield
    except UserError:
        raise
    except RepositoryNotFoundError:
        raise UserError(f"{repo_id}: there is no such repository on the Hub, or it is private") from None
    except EntryNotFoundError as error:
        raise UserError(f"{repo_id} holds no bgmusic composer: {_line(error)}") from None
    except Exception as error:  # the HTTP client, and so its errors, depend on huggingface_hub's version
        raise UserError(f"{repo_id}: the Hub can't be used: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
