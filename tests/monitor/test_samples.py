"""Samples of a real machine, real processes, and a driver built for the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from imgexp_tui.monitor import io_rates
from imgexp_tui.monitor.gpu import GpuSampler
from imgexp_tui.monitor.host import HostSampler
from imgexp_tui.monitor.io_rates import RateMeter, disk_stat_file, net_bytes
from imgexp_tui.monitor.proc import descendants, read_environment, read_pss, read_stat
from imgexp_tui.monitor.process_tree import TreeSampler
from tests import native

PARENT = """
import os, subprocess, sys
block = bytearray(80 << 20)
child = subprocess.Popen([sys.executable, "-c", "print('up', flush=True); input()"], stdin=subprocess.PIPE)
while True:
    pass
"""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """A process that keeps one core busy and holds 80 MB, with one child that sleeps."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout and parent.stdout.readline() == "up\n"
    yield parent
    for pid in descendants(parent.pid):
        os.kill(pid, 9)
    parent.kill()
    parent.communicate()


def test_the_host_is_what_it_is(tmp_path: Path) -> None:
    sampler = HostSampler(tmp_path)
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:
        pass
    found = sampler.sample()
    assert len(found.per_core) == os.cpu_count()
    assert 0 < found.cpu_percent <= 100 and all(0 <= core <= 100 for core in found.per_core)
    assert 0 < found.memory < found.memory_total
    assert found.disk_free is not None and found.disk_total is not None and 0 < found.disk_free <= found.disk_total
    assert len(found.load) == 3


def test_what_goes_to_the_labs_disk_is_seen(tmp_path: Path) -> None:
    if disk_stat_file(tmp_path) is None:
        pytest.skip("the test's folder lies on no disk of this machine")
    sampler = HostSampler(tmp_path)
    with (tmp_path / "file").open("wb") as file:
        file.write(os.urandom(8 << 20))
        os.fsync(file.fileno())
    found = sampler.sample()
    assert found.disk_write is not None and found.disk_write > 0 and found.disk_read is not None


def test_rates_are_amounts_a_second_and_begin_with_the_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((10.0, 12.0, 14.0, 16.0, 18.0))
    monkeypatch.setattr(io_rates.time, "monotonic", lambda: next(clock))
    rates = RateMeter()
    assert rates((100, 50)) is None
    assert rates((300, 50)) == (100.0, 0.0)
    assert rates((0, 150)) == (0.0, 50.0)  # the first device was taken out and put in again
    assert rates(None) is None and rates((1, 1)) is None


def test_a_made_up_device_number_leads_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As btrfs and overlays have it: the mount names the disk."""
    found = tmp_path.stat().st_dev
    monkeypatch.setattr(io_rates.os, "major", lambda device: 0 if device == found else device >> 8)
    mounts = tmp_path / "mountinfo"
    number = f"0:{os.minor(found)}"
    mounts.write_text(f"9 1 {number} / /x rw - tmpfs tmpfs rw\n22 1 {number} /@ / rw shared:1 - btrfs /dev/null rw\n")
    monkeypatch.setattr(io_rates, "_MOUNTS", mounts)
    assert io_rates._mount_source(found) == Path("/dev/null")
    assert disk_stat_file(tmp_path) is None  # /dev/null has no counters
    assert disk_stat_file(tmp_path / "gone") is None


def test_what_goes_over_the_network_is_counted() -> None:
    counted = net_bytes()
    assert counted is None or all(amount >= 0 for amount in counted)


def test_a_lab_that_is_gone_has_no_disk(tmp_path: Path) -> None:
    assert HostSampler(tmp_path / "gone").sample().disk_free is None


def test_a_tree_is_summed_up(family: subprocess.Popen[str]) -> None:
    sampler = TreeSampler(family.pid)
    sampler.sample()
    deadline = time.monotonic() + 20
    while (found := sampler.sample()).cpu_percent == 0 and time.monotonic() < deadline:
        time.sleep(0.3)
    assert found.processes == 2
    assert found.cpu_percent > 0
    assert 80 << 20 < found.memory < 200 << 20
    assert found.gpu_memory is None


def test_the_tree_without_its_root(family: subprocess.Popen[str]) -> None:
    assert TreeSampler(family.pid, include_root=False).sample().processes == 1


def test_the_gpu_memory_of_a_tree_is_that_of_its_processes(family: subprocess.Popen[str]) -> None:
    (child,) = descendants(family.pid)
    found = TreeSampler(family.pid).sample({0: {family.pid: 100, 1: 7}, 1: {child: 30}, 2: {1: 5}})
    assert found.gpu_memory == 130
    assert found.memory_by_gpu == {0: 100, 1: 30}


WRITER = """
import os, subprocess, sys
input()
child = "import os; f = open(sys.argv[1], 'wb'); f.write(os.urandom(16 << 20)); os.fsync(f.fileno())"
subprocess.run([sys.executable, "-c", "import sys; " + child, sys.argv[1]], check=True)
print("written", flush=True)
input()
"""


def test_what_a_tree_writes_is_counted_once_also_when_the_one_that_wrote_is_gone(tmp_path: Path) -> None:
    if disk_stat_file(tmp_path) is None:
        pytest.skip("the test's folder lies on no disk of this machine")
    words = [sys.executable, "-c", WRITER, str(tmp_path / "file")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdin and parent.stdout
        sampler, began = TreeSampler(parent.pid), time.monotonic()
        assert sampler.sample().write is None
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "written\n"
        found, passed = sampler.sample(), time.monotonic() - began
        assert found.write is not None and 16 << 20 <= found.write * passed <= 20 << 20
        assert sampler.sample().write == 0
        parent.communicate("\n")


SHARER = """
import mmap, os
block = mmap.mmap(-1, 64 << 20)
block.write(b"x" * (64 << 20))
if os.fork() == 0:
    block.seek(0)
    sum(map(len, iter(lambda: block.read(1 << 20), b"")))
    print("both", flush=True)
input()
"""


def test_memory_that_processes_share_is_counted_once() -> None:
    with subprocess.Popen([sys.executable, "-c", SHARER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin and parent.stdout and parent.stdout.readline() == b"both\n"
        if read_pss(parent.pid) is None:
            pytest.skip("the kernel does not tell what is shared")
        found = TreeSampler(parent.pid).sample()
        assert found.processes == 2
        assert 64 << 20 < found.memory < 100 << 20
        assert found.shared > 60 << 20
        parent.stdin.write(b"\n\n")


def test_a_tree_that_has_ended_is_empty(family: subprocess.Popen[str]) -> None:
    sampler = TreeSampler(family.pid)
    sampler.sample()
    for pid in (*descendants(family.pid), family.pid):
        os.kill(pid, 9)
    os.waitid(os.P_PID, family.pid, os.WEXITED | os.WNOWAIT)
    found = sampler.sample()
    assert (found.processes, found.memory, found.cpu_percent) == (0, 0, 0)


def test_what_proc_says_of_oneself() -> None:
    me = read_stat(os.getpid())
    assert me and me.parent_pid == os.getppid() and me.cpu_seconds > 0 and not me.zombie
    own = read_pss(os.getpid())
    assert own is None or 0 < own <= me.rss * 2
    assert any(entry.startswith(b"PATH=") for entry in read_environment(os.getpid()))
    assert read_stat(2**22 + 1) is None and read_pss(2**22 + 1) is None and read_environment(2**22 + 1) == []


def test_without_a_driver_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has a driver")
    sampler = GpuSampler()
    assert sampler.sample() == [] and sampler.memory_by_pid() == {}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a libnvidia-ml.so.1 with two cards whose state the test moves through a file."""
    return native.driver(tmp_path_factory.mktemp("driver"))


LOOK = """
import sys
from dataclasses import asdict
import orjson
from imgexp_tui.monitor.gpu import GpuSampler
sampler = GpuSampler()
for words in sys.stdin:
    cards = [asdict(c) for c in sampler.sample()]
    found = {"cards": cards, "processes": {str(k): v for k, v in sampler.memory_by_pid().items()}}
    found |= {"all": [asdict(p) for p in sampler.all_processes()], "trouble": sampler.problem}
    found["traffic"] = list(sampler.pcie_rates().values())
    if words.strip() == "again":
        sampler._retry_at = 0.0
    print(orjson.dumps(found).decode(), flush=True)
"""


@pytest.fixture
def look(driver: Path, tmp_path: Path) -> Iterator[Any]:
    """Sample in a process that finds the driver, after the driver's state was set to the words given."""
    state = tmp_path / "state"
    state.write_text("")
    watcher = subprocess.Popen(
        [sys.executable, "-c", LOOK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"LD_LIBRARY_PATH": str(driver), "FAKE_NVML": str(state)},
    )

    def sample(words: str, *, again: bool = False) -> Any:
        """`again`: let the next look reach for a driver at once."""
        assert watcher.stdin and watcher.stdout
        state.write_text(words)
        watcher.stdin.write("again\n" if again else "\n")
        watcher.stdin.flush()
        return orjson.loads(watcher.stdout.readline())

    yield sample
    watcher.communicate()
    assert watcher.returncode == 0


@pytest.mark.compiler
def test_cards_answer_what_they_can(look: Any) -> None:
    found = look("")
    first, second = found["cards"]
    assert first == {
        "index": 0,
        "name": "Test Card 0",
        "utilization": 87.0,
        "memory": 1985 << 20,
        "memory_total": 8126 << 20,
        "temperature": 61.0,
        "power": 151.5,
        "power_limit": 220.0,
        "clock": 1725.0,
        "clock_max": 2100.0,
        "memory_clock": 7001.0,
        "throttle": [],
        "pcie_generation": 4,
        "pcie_width": 16,
        "ecc_errors": 3,
        "mig": [],
        "lost": False,
    }
    # The second knows neither power nor utilization; the rest of it is not lost with them.
    assert second["memory_total"] == 8126 << 20 and second["temperature"] == 61.0
    unknown = {"utilization", "power", "power_limit", "clock", "clock_max", "memory_clock", "throttle"}
    unknown |= {"pcie_generation", "pcie_width", "ecc_errors"}
    assert {key for key, value in second.items() if value is None} == unknown and not second["lost"]
    assert found["traffic"] == [[1024 * 2048, 1024 * 1024], [None, None]]
    # Process 42 is on both cards; what 43 uses is not told.
    assert found["processes"] == {"42": 2 * (100 << 20)}


@pytest.mark.compiler
def test_a_process_whose_memory_is_not_told_is_there_all_the_same(look: Any) -> None:
    found = {(p["gpu"], p["pid"]): p["memory"] for p in look("")["all"]}
    assert found == {(0, 42): 100 << 20, (0, 43): None, (1, 42): 100 << 20, (1, 43): None}


@pytest.mark.compiler
def test_a_card_that_falls_off_the_bus_keeps_its_line_and_comes_back(look: Any) -> None:
    look("")
    lost, other = look("lost")["cards"]
    assert lost["name"] == "Test Card 0" and lost["lost"]
    assert all(not value for key, value in lost.items() if key not in ("index", "name", "lost"))
    assert other["temperature"] == 61.0 and not other["lost"]
    back = look("")["cards"][0]
    assert back["utilization"] == 87.0 and not back["lost"]


@pytest.mark.compiler
def test_cards_come_and_go(look: Any) -> None:
    assert [len(look(words)["cards"]) for words in ("", "gone", "grown", "")] == [2, 1, 3, 2]


@pytest.mark.compiler
def test_a_card_that_fails_at_every_question_is_no_end(look: Any) -> None:
    first, second = look("errors")["cards"]
    assert (first["name"], second["name"]) == ("GPU 0", "GPU 1")
    assert first["utilization"] is first["memory"] is None and not first["lost"]
    assert look("")["cards"][0]["memory"] == 1985 << 20


@pytest.mark.compiler
def test_what_slows_a_card_down_is_named(look: Any) -> None:
    card = look("hot")["cards"][0]
    assert (card["throttle"], card["temperature"], card["clock"]) == (["heat"], 93.0, 900.0)


@pytest.mark.compiler
def test_a_card_that_is_divided_tells_of_its_instances(look: Any) -> None:
    """The second instance is number 2: a hole in the numbers is none in the list."""
    found = look("mig")
    card = found["cards"][0]
    assert card["utilization"] is None and card["temperature"] == 61.0
    name, total = "Test Card 0 MIG 1g.4gb", 4063 << 20
    # Instances know their memory here, and nothing else.
    assert card["mig"] == [
        {"index": 0, "name": name, "memory": 1000 << 20, "memory_total": total},
        {"index": 2, "name": name, "memory": 1100 << 20, "memory_total": total},
    ]
    assert [(p["gpu"], p["mig"], p["pid"]) for p in found["all"] if p["gpu"] == 0] == [(0, 0, 42), (0, 2, 42)]
    assert found["processes"]["42"] == 3 * (100 << 20)


@pytest.mark.compiler
def test_an_old_driver_has_the_first_form_of_memory_only(look: Any) -> None:
    card = look("old")["cards"][0]
    assert (card["memory"], card["throttle"]) == (2285 << 20, ["power cap"])


@pytest.mark.compiler
def test_a_driver_that_is_unloaded_takes_its_cards_along_and_brings_them_back(look: Any) -> None:
    look("")
    gone = look("unloaded")
    assert (gone["cards"], gone["processes"]) == ([], {})
    assert gone["trouble"] == "the GPU driver does not answer any more"
    assert look("unloaded", again=True)["cards"] == []
    assert look("unloaded")["trouble"]  # reached for it, in vain
    look("", again=True)
    back = look("")
    assert len(back["cards"]) == 2 and not back["trouble"]


def test_without_a_driver_nothing_is_printed(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from imgexp_tui.monitor.gpu import GpuSampler as G; g = G(); g.sample(); g.memory_by_pid()",
        ],
        capture_output=True,
        env=os.environ | {"LD_LIBRARY_PATH": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
