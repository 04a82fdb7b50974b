"""Threads are used where arrays are large, and as before afterwards."""

import numba
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from mesomode.connectome import VoxelConnectome
from mesomode.connectome.laplacian import graph_laplacian
from mesomode.connectome.threads import WORTH_SHARING, threads_worth


def in_use() -> set[int]:
    return {numba.get_num_threads()} | {library["num_threads"] for library in threadpool_info()}


def test_small_arrays_take_one_thread_and_large_ones_what_is_set():
    before = in_use()
    with threads_worth(WORTH_SHARING - 1):
        assert in_use() == {1}
    assert in_use() == before
    with threads_worth(WORTH_SHARING):
        assert in_use() == before


def test_threads_are_as_before_after_an_error():
    before = in_use()
    with pytest.raises(ZeroDivisionError), threads_worth(1):
        1 / 0  # noqa: B018
    assert in_use() == before


def test_a_fit_of_few_voxels_is_done_by_one_thread(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "mesomode.connectome.voxel.fit_spline", lambda *_, **__: seen.append(in_use()) or 1 / 0
    )
    laplacian = graph_laplacian(np.arange(5)[:, None])
    with pytest.raises(ZeroDivisionError):
        VoxelConnectome(1.0).fit(
            np.eye(3, 5), np.ones((3, 5)), source_laplacian=laplacian, target_laplacian=laplacian
        )
    assert seen == [{1}]
