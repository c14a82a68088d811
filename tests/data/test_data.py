"""Datasets, samplers, collation and the loader."""

from __future__ import annotations

import collections
import threading
import time

import numpy as np
import pytest

import ferrograd as fg
from ferrograd.utils import data

Point = collections.namedtuple("Point", "x y")


class Squares(data.Dataset):
    """(i, i²) for i below n; item `bad` cannot be had."""

    def __init__(self, n, bad=None):
        self.n, self.bad = n, bad

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        if index == self.bad:
            raise KeyError("no such square")
        return fg.tensor([float(index)]), index * index


class Stream(data.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


def labels(loader):
    return [batch[1].tolist() for batch in loader]


def test_pytorch_names_are_there():
    assert data.DataLoader is fg.data.DataLoader
    assert {"Dataset", "TensorDataset", "random_split", "default_collate", "get_worker_info"} <= set(dir(fg.utils.data))


def test_a_batch_is_a_list_of_stacked_tensors():
    batch = next(iter(data.DataLoader(Squares(5), batch_size=2)))
    assert type(batch) is list
    assert batch[0].tolist() == [[0.0], [1.0]]
    assert batch[0].dtype == fg.float32
    assert batch[1].tolist() == [0, 1]
    assert batch[1].dtype == fg.int64


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [2, 2, 1]), (True, [2, 2])])
@pytest.mark.parametrize("dataset", [Squares(5), data.TensorDataset(fg.zeros(5), fg.zeros(5))])
def test_the_last_batch_is_smaller_or_left_out(dataset, drop_last, sizes):
    loader = data.DataLoader(dataset, batch_size=2, drop_last=drop_last)
    assert [len(batch[1]) for batch in loader] == sizes
    assert len(loader) == len(sizes)


def test_the_same_seed_gives_the_same_order_with_and_without_workers():
    orders = []
    for workers in (0, 1, 3):
        generator = fg.Generator().manual_seed(7)
        loader = data.DataLoader(Squares(23), 4, shuffle=True, num_workers=workers, generator=generator)
        orders.append((labels(loader), labels(loader)))
    assert orders[0] == orders[1] == orders[2]
    assert orders[0][0] != orders[0][1]
    assert sorted(label for batch in orders[0][0] for label in batch) == [i * i for i in range(23)]


def test_shuffling_follows_manual_seed():
    loader = data.DataLoader(range(20), batch_size=20, shuffle=True)
    orders = []
    for seed in (3, 3, 4):
        fg.manual_seed(seed)
        orders.append(next(iter(loader)).tolist())
    assert orders[0] == orders[1] != orders[2]


def test_a_batch_of_a_tensor_dataset_is_one_call_a_tensor(monkeypatch):
    def no_items(self, index):
        raise AssertionError("items were taken one by one")

    x, y = fg.arange(12.0).reshape(6, 2), np.arange(6)
    dataset = data.TensorDataset(x, y)
    part = data.Subset(data.Subset(dataset, [5, 3, 1, 0]), [2, 0])
    one_by_one = data.default_collate([part[0], part[1]])
    for batch in (next(iter(data.DataLoader(part, batch_size=2))), one_by_one):
        assert [b.tolist() for b in batch] == [[[2.0, 3.0], [10.0, 11.0]], [1, 5]]
    monkeypatch.setattr(fg.Tensor, "__getitem__", no_items)
    assert [b.tolist() for b in next(iter(data.DataLoader(part, batch_size=2)))] == [[[2.0, 3.0], [10.0, 11.0]], [1, 5]]


def test_a_subclass_of_tensor_dataset_keeps_its_items():
    class Doubled(data.TensorDataset):
        def __getitem__(self, index):
            return (super().__getitem__(index)[0] * 2,)

    assert next(iter(data.DataLoader(Doubled(fg.arange(3.0)), batch_size=3)))[0].tolist() == [0, 2, 4]


def test_workers_prepare_batches_on_other_threads_and_know_who_they_are():
    seen = []

    class Who(data.Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            info = data.get_worker_info()
            seen.append((threading.get_ident(), info.id, info.num_workers, info.dataset is self, info.seed))
            time.sleep(0.002)
            return index

    started = []
    loader = data.DataLoader(Who(), batch_size=1, num_workers=2, worker_init_fn=started.append)
    assert [b.item() for b in loader] == list(range(8))
    assert threading.get_ident() not in {s[0] for s in seen}
    assert {s[1:4] for s in seen} == {(0, 2, True), (1, 2, True)}
    assert len({s[4] for s in seen}) == 2
    assert sorted(started) == [0, 1]
    assert data.get_worker_info() is None


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_names_the_item(workers):
    loader = data.DataLoader(Squares(10, bad=7), batch_size=3, num_workers=workers)
    batches = iter(loader)
    next(batches)
    next(batches)
    with pytest.raises(KeyError, match="no such square") as raised:
        next(batches)
    assert "item 7 of Squares" in raised.value.__notes__[0]
    assert ("by worker" in raised.value.__notes__[0]) == bool(workers)


def test_an_error_in_collation_names_the_items():
    loader = data.DataLoader([fg.zeros(2), fg.zeros(3)], batch_size=2)
    with pytest.raises(RuntimeError, match="stack") as raised:
        next(iter(loader))
    assert "the items [0, 1]" in raised.value.__notes__[0]


def test_an_item_that_raises_stop_iteration_does_not_end_the_loop():
    class Ends(data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            raise StopIteration

    for workers in (0, 1):
        with pytest.raises(RuntimeError, match="item 0 raised StopIteration"):
            list(data.DataLoader(Ends(), num_workers=workers))


def test_a_batch_that_takes_too_long_is_an_error():
    release = threading.Event()

    class Slow(data.Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            release.wait(10)
            return index

    with pytest.raises(RuntimeError, match=r"timed out after 0.05 seconds"):
        next(iter(data.DataLoader(Slow(), num_workers=1, timeout=0.05)))
    release.set()


def test_batches_come_as_they_are_ready_where_order_does_not_count():
    release = threading.Event()

    class FirstIsLast(data.Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            if index == 0:
                release.wait(10)
            return index

    batches = iter(data.DataLoader(FirstIsLast(), num_workers=2, in_order=False))
    found = [next(batches).item(), next(batches).item()]
    release.set()
    assert sorted(found) == [1, 2]
    assert next(batches).item() == 0


def test_an_abandoned_iteration_stops_its_workers():
    loaded = []

    class Counted(data.Dataset):
        def __len__(self):
            return 1000

        def __getitem__(self, index):
            loaded.append(index)
            return index

    batches = iter(data.DataLoader(Counted(), num_workers=2, prefetch_factor=2))
    next(batches)
    del batches
    time.sleep(0.05)
    assert len(loaded) < 10


def test_persistent_workers_outlive_an_iteration():
    seen = set()

    class Where(data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            seen.add(threading.current_thread().name)
            return index

    loader = data.DataLoader(Where(), num_workers=1, persistent_workers=True)
    assert [b.item() for b in loader] == [b.item() for b in loader] == [0, 1, 2, 3]
    assert len(seen) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_is_batched_once_whatever_the_workers(workers):
    loader = data.DataLoader(Stream(7), batch_size=3, num_workers=workers)
    assert [b.tolist() for b in loader] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [b.tolist() for b in data.DataLoader(Stream(7), 3, drop_last=True, num_workers=workers)] == [
        [0, 1, 2],
        [3, 4, 5],
    ]
    assert list(data.DataLoader(Stream(2), batch_size=None, num_workers=workers)) == [0, 1]


def test_no_batches():
    assert list(data.DataLoader([np.ones(2), "a"], batch_size=None))[1] == "a"
    assert isinstance(next(iter(data.DataLoader([np.ones(2)], batch_size=None))), fg.Tensor)
    assert list(data.DataLoader([], batch_size=3)) == []


def test_a_dataset_may_give_many_items_at_once():
    class Many(Squares):
        def __getitems__(self, indices):
            return [100 + i for i in indices]

    assert next(iter(data.DataLoader(Many(4), batch_size=3))).tolist() == [100, 101, 102]


def test_a_batch_sampler_says_what_a_batch_is():
    loader = data.DataLoader(range(10), batch_sampler=[[1, 2], [9]])
    assert [b.tolist() for b in loader] == [[1, 2], [9]]
    assert len(loader) == 2
    assert next(iter(data.DataLoader(range(10), 2, sampler=[4, 2]))).tolist() == [4, 2]


def test_workers_compute_in_the_grad_mode_of_the_caller():
    w = fg.ones(1, requires_grad=True)

    class Recorded(data.Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return w * 2

    assert next(iter(data.DataLoader(Recorded(), num_workers=1))).requires_grad
    with fg.no_grad():
        assert not next(iter(data.DataLoader(Recorded(), num_workers=1))).requires_grad


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"num_workers": -1}, "num_workers: expected a number of at least 0"),
        ({"timeout": -1}, "timeout"),
        ({"prefetch_factor": 2}, "prefetch_factor: expected None without workers"),
        ({"persistent_workers": True}, "persistent_workers"),
        ({"num_workers": 1, "multiprocessing_context": "fork"}, "workers are threads"),
        ({"shuffle": True, "sampler": [0]}, "expected sampler or shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler: expected it without"),
        ({"batch_size": None, "drop_last": True}, "drop_last"),
        ({"batch_size": 0}, "batch_size: expected an integer above 0, got 0"),
        ({"batch_size": 2.0}, "batch_size: expected an integer"),
    ],
)
def test_wrong_arguments_of_the_loader(arguments, match):
    with pytest.raises(ValueError, match=match):
        data.DataLoader(range(3), **arguments)


def test_a_stream_has_no_order_to_choose():
    with pytest.raises(ValueError, match="IterableDataset comes in its own order"):
        data.DataLoader(Stream(3), shuffle=True)


def test_collation_of_everything():
    sample = {
        "tensor": fg.ones(2), "array": np.ones(2), "int": 1, "float": 0.5, "bool": True, "text": "a",
        "pair": (1, fg.zeros(1)), "point": Point(1, 2.0), "list": [1, 2], "scalar": np.float32(3),
    }  # fmt: skip
    batch = data.default_collate([sample, sample])
    assert batch["tensor"].shape == (2, 2)
    assert batch["array"].dtype == fg.float64
    assert (batch["int"].dtype, batch["float"].dtype, batch["bool"].dtype) == (fg.int64, fg.float64, fg.bool)
    assert batch["text"] == ["a", "a"]
    assert type(batch["pair"]) is list
    assert batch["pair"][1].shape == (2, 1)
    assert type(batch["point"]) is Point
    assert batch["point"].y.tolist() == [2.0, 2.0]
    assert [x.tolist() for x in batch["list"]] == [[1, 1], [2, 2]]
    assert batch["scalar"].tolist() == [3, 3]


def test_what_cannot_be_collated():
    with pytest.raises(TypeError, match=r"got object; pass a collate_fn"):
        data.default_collate([object()])
    with pytest.raises(TypeError, match=r"arrays of numbers"):
        data.default_collate([np.array(["a"])])
    with pytest.raises(RuntimeError, match=r"samples of one length, got \[1, 2\]"):
        data.default_collate([[1], [1, 2]])


def test_datasets_joined():
    both = Squares(2) + Squares(3)
    assert [both[k][1] for k in range(5)] == [0, 1, 0, 1, 4]
    assert both[-1][1] == 4
    assert both.cumulative_sizes == [2, 5]
    with pytest.raises(IndexError, match="index 5 is out of range for 5 samples"):
        both[5]
    assert isinstance(both, data.ConcatDataset)
    assert isinstance(Stream(2) + Stream(1), data.ChainDataset)
    assert list(Stream(2) + Stream(1)) == [0, 1, 0]
    assert data.StackDataset(range(3), "abc")[1] == (1, "b")
    assert data.StackDataset(n=range(3), s="abc")[2] == {"n": 2, "s": "c"}
    with pytest.raises(ValueError, match=r"one length for all, got \[3, 2\]"):
        data.StackDataset(range(3), "ab")
    with pytest.raises(ValueError, match=r"one length for all, got \[3, 2\]"):
        data.TensorDataset(fg.zeros(3), fg.zeros(2))
    assert data.TensorDataset(fg.arange(3))[1:][0].tolist() == [1, 2]


def test_random_split():
    parts = data.random_split(range(10), [0.5, 0.25, 0.25], generator=fg.Generator().manual_seed(1))
    assert [len(p) for p in parts] == [6, 2, 2]
    assert sorted(x for p in parts for x in (p[k] for k in range(len(p)))) == list(range(10))
    again = data.random_split(range(10), [6, 2, 2], generator=fg.Generator().manual_seed(1))
    assert [p.indices for p in again] == [p.indices for p in parts]
    with pytest.raises(ValueError, match=r"lengths that sum to the dataset's 10"):
        data.random_split(range(10), [5, 4])
    with pytest.warns(UserWarning, match="part 1 of the dataset is empty"):
        data.random_split(range(1), [0.5, 0.5])


def test_what_is_not_batched_is_converted():
    sample = data.default_convert({"a": np.ones(2), "b": [np.float32(1), "x"], "c": (1, np.zeros(1))})
    assert isinstance(sample["a"], fg.Tensor)
    assert sample["b"][0].item() == 1
    assert sample["b"][1] == "x"
    assert isinstance(sample["c"][1], fg.Tensor)
    with pytest.raises(NotImplementedError, match="a Sampler has an __iter__ of its own"):
        iter(data.Sampler())


def test_samplers():
    generator = fg.Generator().manual_seed(0)
    assert list(data.SequentialSampler("abc")) == [0, 1, 2]
    assert sorted(data.SubsetRandomSampler([5, 6, 7], generator)) == [5, 6, 7]
    assert sorted(data.RandomSampler(range(5), generator=generator)) == list(range(5))
    drawn = list(data.RandomSampler(range(5), num_samples=12, generator=generator))
    assert len(drawn) == 12
    assert sorted(drawn[:5]) == sorted(drawn[5:10]) == list(range(5))
    drawn = list(data.RandomSampler(range(5), replacement=True, num_samples=200, generator=generator))
    assert set(drawn) == set(range(5))
    drawn = list(data.WeightedRandomSampler([0.0, 1.0, 3.0], 4000, generator=generator))
    assert drawn.count(0) == 0
    assert abs(drawn.count(2) / 4000 - 0.75) < 0.03
    assert sorted(data.WeightedRandomSampler([0.1, 1.0, 3.0], 3, replacement=False)) == [0, 1, 2]
    assert list(data.BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    with pytest.raises(ValueError, match="num_samples: expected an integer above 0"):
        data.RandomSampler(range(3), num_samples=0)


def test_multinomial():
    fg.manual_seed(0)
    rows = fg.multinomial(fg.tensor([[1.0, 0.0, 3.0], [0.0, 2.0, 0.0]]), 2000, replacement=True)
    assert rows.shape == (2, 2000)
    assert abs((rows[0] == 2).float().mean().item() - 0.75) < 0.04
    assert rows[1].tolist() == [1] * 2000
    first = np.array([fg.multinomial(fg.tensor([1.0, 2.0, 1.0]), 2).tolist() for _ in range(2000)])
    assert (first[:, 0] != first[:, 1]).all()
    assert abs((first[:, 0] == 1).mean() - 0.5) < 0.04
    for bad, match in [
        ([-1.0, 1.0], "at least 0"),
        ([0.0, 1.0], "at least 2 numbers above 0"),
        ([np.nan, 1.0], "finite"),
    ]:
        with pytest.raises(RuntimeError, match=match):
            fg.multinomial(fg.tensor(bad), 2)
    with pytest.raises(RuntimeError, match="num_samples"):
        fg.multinomial(fg.ones(2), 0)
