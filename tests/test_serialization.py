"""Weights in files: round trips, ties, atomic writes, damaged files, memory."""

from __future__ import annotations

import json
import os
import stat
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import ferrograd as fg
from ferrograd import nn


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


DTYPES = [fg.float64, fg.float32, fg.float16, fg.bfloat16, fg.int64, fg.int32, fg.uint8, fg.bool]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(path, dtype):
    x = fg.tensor([[0.0, 1.0, 2.5], [3.0, 0.0, 100.0]]).to(dtype)
    fg.save({"x": x}, path)
    y = fg.load(path)["x"]
    assert y.dtype == dtype
    assert y.tolist() == x.tolist()


def test_layouts_and_sizes(path):
    x = fg.tensor(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    state = {
        "transposed": x.permute(2, 0, 1), "reversed": x[:, ::-1], "stepped": x[..., 1::2],
        "expanded": x[:1, :1].expand(2, 3, 4), "empty": fg.zeros(0, 3), "scalar": fg.tensor(7),
        "array": np.arange(6).reshape(2, 3)[:, ::-1],
    }  # fmt: skip
    fg.save(state, path)
    loaded = fg.load(path)
    assert set(loaded) == set(state)
    for key, value in state.items():
        np.testing.assert_array_equal(loaded[key].numpy(), np.asarray(value), err_msg=key)
        assert loaded[key].is_contiguous()
        assert not loaded[key].requires_grad


def test_a_module(path):
    a, b = nn.Linear(3, 2), nn.Linear(3, 2)
    fg.save(a, path)
    b.load_state_dict(fg.load(path))
    assert b.weight.tolist() == a.weight.tolist()


def test_tied_weights_are_written_once_and_loaded_tied(path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.Linear(300, 300), nn.Linear(300, 300)
            self.decoder.weight = self.encoder.weight

    source = Tied()
    fg.save(source.state_dict(), path)
    assert path.stat().st_size < 1.2 * source.encoder.weight.nbytes
    loaded = fg.load(path)
    assert set(loaded) == set(source.state_dict())
    assert loaded["decoder.weight"] is loaded["encoder.weight"]
    fresh = Tied()
    fresh.load_state_dict(loaded)
    assert fresh.decoder.weight is fresh.encoder.weight
    assert fresh.decoder.weight.tolist() == source.encoder.weight.tolist()
    fresh.load_state_dict(loaded, assign=True)
    assert fresh.decoder.weight is fresh.encoder.weight


def test_views_that_only_overlap_are_not_tied(path):
    x = fg.tensor([1.0, 2.0, 3.0, 4.0])
    fg.save({"a": x, "b": x[:2], "c": x[1:3], "d": x.reshape(2, 2)}, path)
    loaded = fg.load(path)
    assert [loaded[k].tolist() for k in "abcd"] == [[1, 2, 3, 4], [1, 2], [2, 3], [[1, 2], [3, 4]]]


def test_metadata(path):
    fg.save({"x": fg.ones(1)}, path, metadata={"epoch": "12", "näme": "ü"})
    assert fg.load_metadata(path) == {"epoch": "12", "näme": "ü"}
    assert list(fg.load(path)) == ["x"]


def test_a_checkpoint(path):
    model = nn.Linear(2, 1)
    optimizer = fg.optim.Adam(model.parameters(), lr=0.1, betas=(0.5, 0.9))
    model(fg.ones(1, 2)).backward(fg.ones(1, 1))
    optimizer.step()
    saved = {
        "model": model,
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "curve": [0.5, float("inf")],
        "none": None,
    }
    fg.save(saved, path)
    loaded = fg.load(path)
    assert loaded["epoch"] == 3
    assert loaded["curve"] == [0.5, float("inf")]
    assert loaded["none"] is None
    assert loaded["optimizer"]["param_groups"] == optimizer.state_dict()["param_groups"]
    assert isinstance(loaded["optimizer"]["param_groups"][0]["betas"], tuple)
    again = fg.optim.Adam(model.parameters())
    again.load_state_dict(loaded["optimizer"])
    assert again.state_dict()["state"][0]["exp_avg"].tolist() == optimizer.state[model.weight]["exp_avg"].tolist()
    assert again.param_groups[0]["lr"] == 0.1
    model.load_state_dict(loaded["model"])


def test_safetensors_reads_what_we_write_and_the_other_way(path):
    safetensors = pytest.importorskip("safetensors.numpy")
    fg.save({"x": fg.tensor([[1.0, 2.0]])}, path)
    np.testing.assert_array_equal(safetensors.load_file(path)["x"], [[1.0, 2.0]])
    safetensors.save_file({"y": np.arange(3)}, path)
    assert fg.load(path)["y"].tolist() == [0, 1, 2]


def test_live_with_pytorch(path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_model, save_model

    theirs = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    theirs[1].weight = theirs[0].weight
    save_model(theirs, path)
    loaded = fg.load(path)
    assert set(loaded) == set(theirs.state_dict())
    np.testing.assert_array_equal(loaded["1.weight"].numpy(), theirs[1].weight.detach().numpy())
    ours = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    ours[1].weight = ours[0].weight
    fg.save(ours, path)
    load_model(theirs, path)
    np.testing.assert_array_equal(ours[0].weight.detach().numpy(), theirs[1].weight.detach().numpy())


@pytest.mark.parametrize("more", [{}, {"format": "pt"}])
def test_tied_weights_as_pytorch_names_them(path, more):
    from safetensors.numpy import save_file

    save_file({"0.weight": np.eye(2, dtype=np.float32)}, path, {"1.weight": "0.weight", **more})
    loaded = fg.load(path)
    assert loaded["1.weight"] is loaded["0.weight"]
    # A note that names a tensor, among others, is a note.
    save_file({"w": np.eye(2, dtype=np.float32)}, path, {"best": "w", "epoch": "3"})
    assert set(fg.load(path)) == {"w"}


# -- writing


def test_a_failed_save_leaves_what_was_there(path, monkeypatch):
    fg.save({"x": fg.ones(3)}, path)
    before = path.read_bytes()

    def crash(*_):
        raise OSError(28, "No space left on device")

    for where in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, where, crash)
            with pytest.raises(OSError, match="No space left") as caught:
                fg.save({"x": fg.zeros(3)}, path)
        assert "weights.safetensors" in str(caught.value)
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == [path.name], "nothing is left beside it"


def test_a_process_that_dies_while_saving_leaves_what_was_there(path):
    fg.save({"x": fg.ones(3)}, path)
    before = path.read_bytes()
    code = textwrap.dedent(f"""
        import os, ferrograd as fg
        os.replace = lambda *_: os._exit(9)
        fg.save({{"x": fg.zeros(3)}}, {str(path)!r})
    """)
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 9
    assert path.read_bytes() == before
    assert fg.load(path)["x"].tolist() == [1.0] * 3


def test_the_data_is_synced_before_the_rename(path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("replace"), replace(a, b)))
    fg.save({"x": fg.ones(3)}, path)
    assert done[:2] == ["fsync", "replace"]
    assert done[2:] in (["fsync"], []), "then the folder, where the system can"


@pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
def test_mode_and_links(path, tmp_path):
    before = os.umask(0o027)
    try:
        fg.save({"x": fg.ones(1)}, path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(path)
    fg.save({"x": fg.zeros(1)}, link)
    assert link.is_symlink()
    assert fg.load(path)["x"].tolist() == [0.0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_cannot_be_saved(path, tmp_path):
    with pytest.raises(TypeError, match="save: obj: expected a Module, a Tensor, or a dict or list of such, got int"):
        fg.save(3, path)
    with pytest.raises(TypeError, match=r"save: obj\['a.1'\]: expected a Tensor, .* got object"):
        fg.save({"a": [1, object()]}, path)
    with pytest.raises(TypeError, match=r"expected keys that are strings or ints, got 1.5"):
        fg.save({1.5: 3}, path)
    with pytest.raises(ValueError, match="'__metadata__' is the file format's own"):
        fg.save({"__metadata__": fg.ones(1)}, path)
    with pytest.raises(TypeError, match="metadata: expected strings, got 'epoch': 12"):
        fg.save({"x": fg.ones(1)}, path, metadata={"epoch": 12})
    with pytest.raises(ValueError, match="is ferrograd's own"):
        fg.save({"x": fg.ones(1)}, path, metadata={"ferrograd.tied": "{}"})
    assert not path.exists()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        fg.save({"x": fg.ones(1)}, tmp_path / "nowhere" / "x.safetensors")


# -- reading what is damaged


def one_line(error, path):
    text = str(error.value)
    assert "\n" not in text
    assert str(path) in text
    return text


def test_missing(path):
    with pytest.raises(FileNotFoundError) as caught:
        fg.load(path)
    assert "expected a safetensors file" in one_line(caught, path)
    with pytest.raises(IsADirectoryError) as caught:
        fg.load(path.parent)
    one_line(caught, path.parent)


def test_cut_short_anywhere(path):
    fg.save({"x": fg.ones(10), "flag": fg.tensor([True, False])}, path)
    whole = path.read_bytes()
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        with pytest.raises(ValueError, match="expected a") as caught:
            fg.load(path)
        one_line(caught, path)


def header(entries, data=b"", length=None):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
LIES = {
    "not the format": b"PK\x03\x04" + b"x" * 100,
    "zeros": b"\0" * 64,
    "a huge header": header({"x": F32}, b"\0" * 8, length=2**62),
    "no json": struct.pack("<Q", 5) + b"hello",
    "too much data": header({"x": F32}, b"\0" * 12),
    "too little data": header({"x": F32}, b"\0" * 4),
    "shape too large": header({"x": {**F32, "shape": [3]}}, b"\0" * 8),
    "shape overflows": header({"x": {**F32, "shape": [2**40, 2**40]}}, b"\0" * 8),
    "negative shape": header({"x": {**F32, "shape": [-2]}}, b"\0" * 8),
    "offsets backwards": header({"x": {**F32, "data_offsets": [8, 0]}}, b"\0" * 8),
    "overlap": header({"x": F32, "y": F32}, b"\0" * 8),
    "hole": header({"x": F32, "y": {**F32, "data_offsets": [12, 20]}}, b"\0" * 20),
    "unknown dtype": header({"x": {**F32, "dtype": "F31"}}, b"\0" * 8),
    "unsupported dtype": header({"x": {"dtype": "U16", "shape": [4], "data_offsets": [0, 8]}}, b"\0" * 8),
    "bytes that are no bool": header({"x": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]}}, b"\1\2"),
    "tied to nothing": header({"__metadata__": {"ferrograd.tied": '{"y": "z"}'}, "x": F32}, b"\0" * 8),
    "tied is no json": header({"__metadata__": {"ferrograd.tied": "{"}, "x": F32}, b"\0" * 8),
    "structure of nothing": header({"__metadata__": {"ferrograd.structure": '{"tensor": "z"}'}, "x": F32}, b"\0" * 8),
    "structure is no json": header({"__metadata__": {"ferrograd.structure": "["}, "x": F32}, b"\0" * 8),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_lies(path, lie):
    path.write_bytes(lie)
    with pytest.raises(ValueError, match="load: ") as caught:
        fg.load(path)
    one_line(caught, path)


def test_no_code_is_run(path):
    import pickle

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(path) + ".evil",)

    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match="expected a whole safetensors file"):
        fg.load(path)
    assert not os.path.exists(str(path) + ".evil")


# -- cost


def test_safetensors_is_loaded_on_first_use():
    code = "import sys, ferrograd; sys.exit('safetensors' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory from /proc")
def test_memory_stays_below_the_file_and_64_mb(path):
    size = 200 << 20
    fg.save({f"x{k}": fg.zeros(size // 16, dtype=fg.float32) for k in range(4)}, path)
    code = textwrap.dedent(f"""
        import re, sys
        import safetensors, numpy, ferrograd as fg

        def status(key):
            return int(re.search(key + r":\\s*(\\d+)", open("/proc/self/status").read())[1]) << 10

        def reset():
            open("/proc/self/clear_refs", "w").write("5")

        reset()
        before = status("VmRSS")
        state = fg.load({str(path)!r})
        loaded = status("VmHWM") - before
        reset()
        before = status("VmRSS")
        fg.save(state, {str(path)!r})
        saved = status("VmHWM") - before
        print(loaded >> 20, saved >> 20)
        sys.exit(not (loaded < {size} + (64 << 20) and saved < 64 << 20))
    """)
    done = subprocess.run([sys.executable, "-c", code], timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_loading_as_scripts_do(tmp_path):
    path = tmp_path / "x.safetensors"
    fg.save({"epoch": 3, "state": {"w": fg.ones(2)}}, path)
    for where in (None, "cpu", fg.device("cpu"), lambda storage, location: storage, {"cuda:0": "cpu"}):
        loaded = fg.load(path, map_location=where, weights_only=True)
        assert (loaded["epoch"], loaded["state"]["w"].tolist()) == (3, [1, 1])
    assert fg.load(path, "cpu", weights_only=False)["epoch"] == 3
    with pytest.raises(RuntimeError, match="device: expected 'cpu', got 'cuda'"):
        fg.load(path, map_location="cuda")


def test_a_tensor_alone_and_a_list(tmp_path):
    path = tmp_path / "x.safetensors"
    fg.save(fg.ones(2), path)
    assert fg.load(path).tolist() == [1, 1]
    fg.save([fg.ones(2), 3, ("a", fg.zeros(1))], path)
    loaded = fg.load(path)
    assert (loaded[0].tolist(), loaded[1], loaded[2][0], loaded[2][1].tolist()) == ([1, 1], 3, "a", [0])
