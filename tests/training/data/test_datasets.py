"""Where images come from: folders, zips, named sets, shapes; splits, labels, damage."""

from __future__ import annotations

import gzip
import hashlib
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import datasets

from imgexp_tui.records import jsonl
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training.config import Config
from imgexp_tui.training.data import synthetic_shapes, torchvision_sets
from imgexp_tui.training.data.datasets import TrainValidImages, open_data
from imgexp_tui.training.data.decode import UnreadableImage, decode_image, is_image
from imgexp_tui.training.data.image_store import LazyImages
from imgexp_tui.training.data.splits import split_files
from imgexp_tui.training.errors import StopRequested, TrainingError
from imgexp_tui.training.run_logger import RunLogger
from imgexp_tui.training.shutdown import StopSignal
from tests.data import make_images
from tests.data.make_images import picture
from tests.support.training_runs import folder_of_pictures


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    path = tmp_path / "run"
    path.mkdir()
    return RunDir(path)


def _open(run: RunDir, data: Path | str, **config: Any) -> TrainValidImages:
    settings = Config.from_settings({"data": str(data), "image_size": 32} | config)
    return open_data(settings, RunLogger(run, StopSignal()))


def _warnings(run: RunDir) -> list[str]:
    return [e["message"] for e in jsonl.read_records(run.events) if e["kind"] == "warning"]


def _pixels(data: TrainValidImages) -> torch.Tensor:
    return torch.cat([side.images.pixels(range(len(side)))[0] for side in (data.train, data.valid)])


# --- what an image is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_an_image_is_known_by_its_first_bytes_and_decoded(kind: str) -> None:
    data = picture(1, kind=kind)
    assert is_image(data[:16])
    found = decode_image(data, 32)
    assert (found.shape, found.dtype) == ((3, 32, 32), torch.uint8)
    assert (found.float() - decode_image(picture(1, kind="PNG"), 32).float()).abs().mean() < 6


def test_text_is_no_image_and_a_cut_one_is_unreadable() -> None:
    assert not is_image(b"name,label\ncat.jpg,1")
    with pytest.raises(UnreadableImage):
        decode_image(picture(1, side=200)[:600], 32)


def test_the_middle_is_kept_of_a_wide_image() -> None:
    import io

    from PIL import Image

    wide = Image.new("RGB", (90, 30), "red")
    wide.paste("blue", (30, 0, 60, 30))
    buffer = io.BytesIO()
    wide.save(buffer, "PNG")
    assert decode_image(buffer.getvalue(), 30).float().mean((1, 2)).tolist() == [0, 0, 255]


# --- folders and zips -----------------------------------------------------------------------------------------------


def test_a_zip_without_suffixes_and_without_a_split(run: RunDir, tmp_path: Path) -> None:
    path = tmp_path / "photos"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(30):
            archive.writestr(f"set/n{i:03d}_namejpg", picture(i))
        archive.writestr("set/README", "no image")
        archive.writestr("__MACOSX/set/n000_namejpg", picture(0))
    data = _open(run, path)
    assert len(data.train) + len(data.valid) == 30
    assert 2 <= len(data.valid) <= 12
    assert data.classes == []
    again = _open(run, path)
    assert torch.equal(_pixels(data), _pixels(again))


def test_a_collection_of_photographs_without_suffixes_is_read_whole(run: RunDir, images_zip: Path) -> None:
    with zipfile.ZipFile(images_zip) as archive:
        names = set(archive.namelist())
        first = archive.read(make_images.name(0))
    assert names == {make_images.name(number) for number in range(make_images.COUNT)}
    assert (decode_image(first, 32).float() - decode_image(picture(0, kind="PNG"), 32).float()).abs().mean() < 6
    data = _open(run, images_zip)
    assert len(data.train) + len(data.valid) == make_images.COUNT
    assert 50 < len(data.valid) < 110
    assert data.classes == [] and not _warnings(run)
    assert images_zip.stat().st_size < 1_000_000


def test_a_broken_image_is_skipped_with_one_warning(run: RunDir, tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path / "set", 20, ("train/cat", "train/dog", "valid/cat", "valid/dog"))
    broken = folder / "train" / "cat" / "0.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    data = _open(run, folder)
    assert (len(data.train), len(data.valid)) == (9, 10 - 0)
    assert data.train.labels.tolist() == [0] * 4 + [1] * 5
    assert len(_warnings(run)) == 1
    assert "train/cat/0.jpg" in _warnings(run)[0]


def test_without_the_cache_another_image_of_the_class_stands_in(run: RunDir, tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path / "set", 20, ("train/cat", "train/dog", "valid/cat", "valid/dog"))
    broken = folder / "train" / "cat" / "0.jpg"
    broken.write_bytes(b"\xff\xd8\xff broken")
    data = _open(run, folder, cache_images=False)
    assert isinstance(data.train.images, LazyImages)
    pixels, faults = data.train.images.pixels([0, 1])
    assert "train/cat/0.jpg" in faults[0]
    assert len(faults) == 1
    assert torch.equal(pixels[0], pixels[1])


def test_the_cache_holds_what_decoding_gives(run: RunDir, tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path / "set", 12)
    assert torch.equal(_pixels(_open(run, folder)), _pixels(_open(run, folder, cache_images=False)))


def test_a_subset_is_the_same_for_every_seed(run: RunDir, tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path / "set", 40)
    one, other = (_open(run, folder, train_samples=5, valid_samples=3, seed=seed) for seed in (0, 1))
    assert (len(one.train), len(one.valid)) == (5, 3)
    assert torch.equal(_pixels(one), _pixels(other))


@pytest.mark.parametrize("make", ["missing", "empty", "text file", "no zip"])
def test_data_that_are_none_are_a_sentence(make: str, run: RunDir, tmp_path: Path) -> None:
    path = tmp_path / "data"
    if make == "empty":
        path.mkdir()
    elif make == "text file":
        path.write_text("hello")
    elif make == "no zip":
        path.write_bytes(b"PK\x05\x06" + b"\0" * 4)
    with pytest.raises(TrainingError, match=r"^data: "):
        _open(run, path)


def test_an_unknown_set_names_the_nearest(run: RunDir) -> None:
    with pytest.raises(TrainingError, match="did you mean cifar10"):
        _open(run, "cifar_10")


def test_reading_can_be_stopped(run: RunDir, tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path / "set", 12)
    stop = StopSignal()
    stop.signum = 15
    with pytest.raises(StopRequested):
        open_data(Config.from_settings({"data": str(folder)}), RunLogger(run, stop))


# --- splits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["valid", "val", "validation", "test", "VAL"])
def test_a_ready_split_is_kept(name: str) -> None:
    found = split_files([f"set/train/{c}/{i}" for c in "ab" for i in range(3)] + [f"set/{name}/b/9"], 0.5)
    assert found.classes == ["a", "b"]
    assert found.valid.names == [f"set/{name}/b/9"]
    assert found.valid.labels == [1]
    assert found.train.labels == [0] * 3 + [1] * 3


def test_validation_goes_before_test() -> None:
    found = split_files(["train/a/1", "test/a/1", "val/a/1", "train/b/1"], 0.5)
    assert found.valid.names == ["val/a/1"]
    assert found.train.names == ["train/a/1", "train/b/1"]


def test_the_hash_splits_and_more_images_move_none() -> None:
    names = [f"cat/{i}" for i in range(500)] + [f"dog/{i}" for i in range(500)]
    before, after = split_files(names[::2], 0.2), split_files(names, 0.2)
    assert 150 < len(after.valid.names) < 250
    assert set(before.valid.names) <= set(after.valid.names)
    assert not set(after.train.names) & set(after.valid.names)
    assert after.classes == ["cat", "dog"]


def test_two_images_are_one_for_each_side() -> None:
    found = split_files(["a", "b"], 0.01)
    assert sorted(found.train.names + found.valid.names) == ["a", "b"]
    assert len(found.valid.names) == 1


# --- shapes ---------------------------------------------------------------------------------------------------------


def test_shapes_are_the_same_on_every_machine_and_differ_among_themselves(run: RunDir) -> None:
    report = RunLogger(run, StopSignal())
    one, again = synthetic_shapes.generate_shapes(40, 32, report), synthetic_shapes.generate_shapes(40, 32, report)
    assert torch.equal(one, again)
    assert (one.shape, one.dtype) == ((40, 3, 32, 32), torch.uint8)
    assert len({bytes(image.numpy()) for image in one}) == 40
    assert any(e["kind"] == "progress" for e in jsonl.read_records(run.events))


_MAKE = """
import sys, torch
from pathlib import Path
import imgexp_tui.training.data.synthetic_shapes as shapes
from imgexp_tui.training.run_logger import RunLogger
from imgexp_tui.training.shutdown import StopSignal
from imgexp_tui.records.rundir import RunDir
shapes.TRAIN_COUNT, shapes.VALID_COUNT, shapes.IMAGE_SIDE = 150, 50, 32
found = shapes.load_shapes(RunLogger(RunDir(Path(sys.argv[1])), StopSignal()))
print(found.sum().item(), tuple(found.shape))
"""


def test_two_runs_that_make_the_shapes_at_once(run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    both = [
        subprocess.Popen([sys.executable, "-c", _MAKE, str(run.path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    first, second = (process.communicate(timeout=120)[0] for process in both)
    assert first == second
    assert "(200, 3, 32, 32)" in first
    assert [p.name for p in (tmp_path / "imgexp-tui" / "shapes").iterdir()] == ["shapes-1.npy"]


def test_a_damaged_shapes_file_is_made_anew(run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, value in (("TRAIN_COUNT", 20), ("VALID_COUNT", 10), ("IMAGE_SIDE", 16)):
        monkeypatch.setattr(synthetic_shapes, name, value)
    report = RunLogger(run, StopSignal())
    whole = synthetic_shapes.load_shapes(report)
    path = tmp_path / "imgexp-tui" / "shapes" / "shapes-1.npy"
    path.write_bytes(path.read_bytes()[:1000])
    assert torch.equal(synthetic_shapes.load_shapes(report), whole)
    assert torch.equal(synthetic_shapes.load_shapes(report), whole)


# --- named sets -----------------------------------------------------------------------------------------------------


@pytest.fixture
def fashion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """A server that has a Fashion-MNIST of 20 + 10 images, in the original's format."""
    served = tmp_path / "served"
    served.mkdir()
    resources = []
    random = np.random.default_rng(0)
    for prefix, count in (("train", 20), ("t10k", 10)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8).tobytes()
        labels = bytes(i % 10 for i in range(count))
        for name, body in (
            (f"{prefix}-images-idx3-ubyte.gz", struct.pack(">IIII", 2051, count, 28, 28) + images),
            (f"{prefix}-labels-idx1-ubyte.gz", struct.pack(">II", 2049, count) + labels),
        ):
            (served / name).write_bytes(gzip.compress(body))
            resources.append((name, hashlib.md5((served / name).read_bytes()).hexdigest()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(datasets.FashionMNIST, "resources", resources)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield server
    server.shutdown()
    server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_words: object) -> None:
        pass


def test_a_named_set_is_downloaded_once_with_progress(fashion: ThreadingHTTPServer, run: RunDir) -> None:
    data = _open(run, "fashion_mnist")
    assert (len(data.train), len(data.valid), len(data.classes)) == (20, 10, 10)
    assert data.train.labels[:3].tolist() == [0, 1, 2]
    assert data.train.images.pixels([0])[0].shape == (1, 3, 32, 32)
    assert any(e["kind"] == "progress" and e["unit"] == "bytes" for e in jsonl.read_records(run.events))
    fashion.shutdown()
    fashion.server_close()
    assert torch.equal(_pixels(_open(run, "fashion_mnist")), _pixels(data))


def test_a_named_set_without_a_network_is_a_sentence(fashion: ThreadingHTTPServer, run: RunDir) -> None:
    fashion.shutdown()
    fashion.server_close()
    with pytest.raises(TrainingError, match=r"^data: fashion_mnist is not in .* cannot be downloaded"):
        _open(run, "fashion_mnist")
    assert list((run.path.parent / "cache" / "imgexp-tui" / "datasets").iterdir()) == []


def test_every_named_set_is_one_of_torchvision() -> None:
    assert all(hasattr(datasets, chosen.class_name) for chosen in torchvision_sets.TORCHVISION_SETS.values())
