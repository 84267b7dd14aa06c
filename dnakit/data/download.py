"""A download that goes on where it broke off, if the server still has the same version of the file."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from dnakit.project import DnakitError, sha256

_CHUNK = 1 << 20
_TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte


def download(url: str, path: Path, expected: str | None) -> None:
    """Download ``url`` to ``path``, which appears when it is whole and has the expected sha256, if there is one.

    What an interrupted call got stays as ``.part`` beside it, and the next call goes on from there.

    Raises
    ------
    ValueError
        What came has another sha256; it is removed.
    """
    part = path.with_name(path.name + ".part")
    _transfer(url, part)
    found = sha256(part)
    if expected in (None, found):
        os.replace(part, path)
    part.unlink(missing_ok=True)
    _validator_path(part).unlink(missing_ok=True)
    if expected not in (None, found):
        raise ValueError(f"sha256 {found}")


def _transfer(url: str, part: Path) -> None:
    """Get ``url`` into ``part``, from where an earlier attempt ended if it may (HTTP Range and If-Range, RFC 9110)."""
    validator = _validator_path(part)
    have = part.stat().st_size if part.is_file() and validator.is_file() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator.read_text(encoding="latin-1")}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        if response.status_code == 416 and response.headers.get("Content-Range") == f"bytes */{have}":
            return
        if response.status_code == 416:
            part.unlink()
            return _transfer(url, part)
        response.raise_for_status()
        if url.startswith("https:") and not response.url.startswith("https:"):
            raise DnakitError(f"{url}: the server sends on to an address without encryption, {response.url}: refused")
        have = have if response.status_code == 206 else 0
        _remember_version(validator, response.headers)
        size = response.headers.get("Content-Length")
        _append(response, part, have, have + int(size) if size else None)


def _append(response: requests.Response, part: Path, have: int, total: int | None) -> None:
    bar = tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem, disable=not sys.stderr.isatty())
    with open(part, "ab" if have else "wb") as handle, bar:
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            handle.write(chunk)
            bar.update(len(chunk))


def _validator_path(part: Path) -> Path:
    return part.with_name(part.name + ".version")


def _remember_version(validator: Path, headers: Mapping[str, str]) -> None:
    """Keep what identifies the server's version (a strong ETag, or a date); without it a later attempt starts anew."""
    tag = headers.get("ETag", "W/")
    version = headers.get("Last-Modified") if tag.startswith("W/") else tag
    if version:
        validator.write_text(version, encoding="latin-1")
    else:
        validator.unlink(missing_ok=True)


@contextmanager
def explained(name: str, url: str, path: Path) -> Iterator[None]:
    """One line for each way a download of ``url`` to ``path`` can fail."""
    try:
        yield
    except requests.HTTPError as error:
        status = f"{error.response.status_code} {error.response.reason}"
        raise DnakitError(
            f"{url}: the server answered {status}; get '{name}' elsewhere and put it at {path}"
        ) from error
    except urllib3.exceptions.HTTPError as error:
        done = path.with_name(path.name + ".part").stat().st_size / 1e6
        raise DnakitError(
            f"{url}: the download broke off after {done:.1f} MB; the same command goes on from there"
        ) from error
    except requests.RequestException as error:
        raise DnakitError(
            f"{url}: no connection for '{name}': set DNAKIT_MIRROR to a folder that holds {path.name}, "
            "or use simulated data (--profile smoke, or of dnakit classify --reference simulated)"
        ) from error
