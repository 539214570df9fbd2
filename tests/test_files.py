"""Files of named arrays: loading gives the saved arrays or ValueError; a save that fails changes nothing."""

import io
import os
import stat
import threading
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, byte_string_dtypes, scalar_dtypes, unicode_string_dtypes

from minigrad.layers import load_arrays, save_arrays

SAVED = {"W.ü": np.array([[1.5, -2.0]]), "t": np.array(7), "kind": np.array("Adam")}


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and found[name].shape == value.shape and found[name].flags.writeable
        assert found[name].tobytes() == value.tobytes(), name


def check_same_or_refused(path):
    try:
        found = load_arrays(path)
    except ValueError:
        return False
    assert_same(found, SAVED)
    return True


def test_every_bit_flipped(tmp_path):
    save_arrays(tmp_path / "a.npz", SAVED)
    content, refused = (tmp_path / "a.npz").read_bytes(), 0
    with open(tmp_path / "a.npz", "r+b", buffering=0) as file:
        for place, byte in enumerate(content):
            for bit in range(8):
                file.seek(place)
                file.write(bytes([byte ^ 1 << bit]))
                refused += not check_same_or_refused(tmp_path / "a.npz")
            file.seek(place)
            file.write(bytes([byte]))
    assert check_same_or_refused(tmp_path / "a.npz")
    assert refused > 4 * len(content)  # the rest are dates and the like


def test_every_truncation(tmp_path):
    save_arrays(tmp_path / "a.npz", SAVED)
    for size in reversed(range((tmp_path / "a.npz").stat().st_size)):
        os.truncate(tmp_path / "a.npz", size)
        assert not check_same_or_refused(tmp_path / "a.npz")


numbers_and_text = st.one_of(scalar_dtypes(), unicode_string_dtypes(min_len=1), byte_string_dtypes(min_len=1))
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


values = numbers_and_text.flatmap(lambda dtype: arrays(dtype, array_shapes(min_dims=0, min_side=0)))


@given(st.dictionaries(names, values, max_size=3), st.booleans())
def test_round_trip(tmp_path_factory, saved, in_columns):
    """Every dtype, of either byte order, every shape, and every name."""
    path = tmp_path_factory.getbasetemp() / "round.npz"
    save_arrays(path, {name: np.asarray(value, order="F" if in_columns else "C") for name, value in saved.items()})
    assert_same(load_arrays(path), saved)


def test_files_of_older_versions(tmp_path):
    saved = {"cells.0.W": np.ones((2, 3), np.float32), "ü": np.array(3), "record": np.zeros(2, [("a", "<f8"), ("b", "<i4")])}
    np.savez(tmp_path / "a.npz", **saved)
    assert_same(load_arrays(tmp_path / "a.npz"), saved)


def test_more_than_4_gigabytes(tmp_path, monkeypatch):
    """The format that zipfile then takes, for a small file."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    save_arrays(tmp_path / "a.npz", SAVED)
    assert b"PK\x06\x06" in (tmp_path / "a.npz").read_bytes()
    assert_same(load_arrays(tmp_path / "a.npz"), SAVED)


def npy(header, numbers=b"\0" * 16, version=1):
    header = header.encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(2 if version == 1 else 4, "little") + header + numbers


def described(descr="'<f8'", shape="(2,)", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


BIG = 10 ** 9


@pytest.mark.parametrize("members", [
    [("W.npy", npy(described(shape=f"({BIG},)")))],
    [("W.npy", npy(described(shape=f"({10 ** 30},)")))],
    [("W.npy", npy(described(shape=f"(0, {10 ** 30})"), b""))],
    [("W.npy", npy(described(shape="(1,)")))],
    [("W.npy", npy(described(shape="(-1, -2)")))],
    [("W.npy", npy(described(shape="(2.0,)")))],
    [("W.npy", npy(described(shape="2")))],
    [("W.npy", npy(described("'|O'")))],
    [("W.npy", npy(described("[('a', '|O'), ('b', '<f8')]", shape="(1,)")))],
    [("W.npy", npy(described("'nonsense'")))],
    [("W.npy", npy(described("'<f9'")))],
    [("W.npy", npy(described("'<U1000000000'")))],
    [("W.npy", npy(described(), version=3))],
    [("W.npy", npy("{'descr': '<f8', ("))],
    [("W.npy", npy("(" * 5000))],
    [("W.npy", npy("-" * 9000 + "1"))],
    [("W.npy", npy("[" * 90 + "]" * 90))],
    [("W.npy", npy("'''"))],
    [("W.npy", npy("\0"))],
    [("W.npy", npy(" " * 1_000_000 + described(), version=2))],
    [("W.npy", npy(described())[:20])],
    [("W.npy", npy(described())), ("notes.txt", b"hello")],
    [("W.npy", npy(described())), ("folder/", b"")],
    [("W.npy", npy(described())), ("W", npy(described()))],
], ids=lambda members: repr(members[0][1][10:60]))
def test_lies_with_the_right_checksum(tmp_path, members):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    check_refused_with_little_memory(tmp_path / "a.npz")


def test_two_members_of_one_name(tmp_path):
    save_arrays(tmp_path / "a.npz", {"a": 1.0, "b": 2.0})
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content.replace(b"b.npy", b"a.npy"))
    with pytest.raises(ValueError, match="two arrays have the same name"):
        load_arrays(tmp_path / "a.npz")


def test_what_is_compressed_could_be_of_any_size(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", W=np.zeros(10 ** 7))
    check_refused_with_little_memory(tmp_path / "a.npz")


def check_refused_with_little_memory(path):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="a.npz is damaged, or save_arrays.. did not write it"):
            load_arrays(path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000  # the longest of these headers has 1 MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sizes", [slice(20, 24), slice(24, 28), slice(20, 28)])
def test_sizes_that_are_lies(tmp_path, sizes):
    """In the table of contents: the first member's length in the file, its length after reading, and both."""
    save_arrays(tmp_path / "a.npz", SAVED)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + sizes.start:entry + sizes.stop] = BIG.to_bytes(4, "little") * ((sizes.stop - sizes.start) // 4)
    (tmp_path / "a.npz").write_bytes(content)
    check_refused_with_little_memory(tmp_path / "a.npz")


def test_members_inside_of_each_other(tmp_path):
    """Each array of this file would be nearly as long as the file."""
    content, entries = b"\0" * 10 ** 6, []
    for i in range(50):
        one = io.BytesIO()
        with zipfile.ZipFile(one, "w") as archive:
            archive.writestr(zipfile.ZipInfo(f"{i:02}.npy"), npy(described("'|u1'", shape=f"({len(content)},)"), content))
        end = one.getvalue().index(b"PK\x01\x02")
        content = one.getvalue()[:end]
        entries.append((one.getvalue()[end:end + 46 + len("00.npy")], len(content)))
    table = b"".join(entry[:42] + (len(content) - size).to_bytes(4, "little") + entry[46:] for entry, size in entries)
    end = (b"PK\x05\x06" + bytes(4) + len(entries).to_bytes(2, "little") * 2 + len(table).to_bytes(4, "little")
           + len(content).to_bytes(4, "little") + bytes(2))
    (tmp_path / "a.npz").write_bytes(content + table + end)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert len(archive.infolist()) == 50 and sum(member.file_size for member in archive.infolist()) > 50 * 10 ** 6
        archive.read("00.npy")
    check_refused_with_little_memory(tmp_path / "a.npz")


def test_only_names_that_come_back_are_saved(tmp_path):
    for wrong in ({"a\0b": 1}, {1: 1, "1": 2}):
        with pytest.raises(ValueError, match="names in a file must differ"):
            save_arrays(tmp_path / "a.npz", wrong)
    with pytest.raises(TypeError, match="objects in record"):
        save_arrays(tmp_path / "a.npz", {"record": np.zeros(1, [("a", float)])})
    with pytest.raises(UnicodeEncodeError):
        save_arrays(tmp_path / "a.npz", {"\udc80": 1})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="has other permissions")
def test_permissions_stay(tmp_path):
    path = tmp_path / "a.npz"
    for mask in (0o022, 0o027, 0o077):
        before = os.umask(mask)
        try:
            save_arrays(path, SAVED)
            assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
            path.unlink()
        finally:
            os.umask(before)
    save_arrays(path, SAVED)
    (tmp_path / "link.npz").symlink_to(path)
    for mode in (0o600, 0o640, 0o664, 0o444):
        path.chmod(mode)
        save_arrays(tmp_path / "link.npz", {"mode": mode})
        assert stat.S_IMODE(path.stat().st_mode) == mode and load_arrays(path)["mode"] == mode
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.npz", "link.npz"] and (tmp_path / "link.npz").is_symlink()


def test_the_temporary_file_is_private_if_the_old_one_was(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    save_arrays(path, SAVED)
    path.chmod(0o600)
    seen = []

    def write_array(file, *args, **kwargs):
        seen.extend((other.name, other.stat().st_mode) for other in tmp_path.iterdir() if other != path)
        raise OSError("the disk is full")

    monkeypatch.setattr(np.lib.format, "write_array", write_array)
    with pytest.raises(OSError, match="the disk is full"):
        save_arrays(path, {"W": 1.0})
    assert seen == [(f"a.npz.{os.getpid()}.tmp", path.stat().st_mode)]
    assert_same(load_arrays(path), SAVED)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_what_a_killed_process_left_is_left_alone(tmp_path):
    left = tmp_path / f"a.npz.{os.getpid()}.tmp", tmp_path / "a.npz.1.tmp"
    for file in left:
        file.write_bytes(b"half")
    save_arrays(tmp_path / "a.npz", SAVED)
    assert all(file.read_bytes() == b"half" for file in left)
    assert_same(load_arrays(tmp_path / "a.npz"), SAVED)
    assert len(list(tmp_path.iterdir())) == 3


def test_threads_that_save_to_one_path(tmp_path):
    """At any time the file is complete and from one of them."""
    failures = []

    def save(number):
        try:
            for _ in range(20):
                save_arrays(tmp_path / "a.npz", {f"{number}.{i}": np.full(1000, number) for i in range(3)})
                found = load_arrays(tmp_path / "a.npz")
                assert len({name[0] for name in found}) == 1 and len(found) == 3
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and [file.name for file in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_folder_that_cannot_be_written_into(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="a.npz"):
        save_arrays(tmp_path / "a.npz", SAVED)


def test_what_is_no_file(tmp_path):
    with pytest.raises(OSError):
        load_arrays(tmp_path)
    with pytest.raises(OSError):
        save_arrays(tmp_path, SAVED)
    assert not list(tmp_path.parent.glob("*.tmp"))
