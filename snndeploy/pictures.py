"""Pictures where people would rather look: the spikes of one sample in every population, float and integer."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snndeploy.extras import extras


def spike_raster(
    image: NDArray[Any], trains: Mapping[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]], title: str
) -> bytes:
    """A PNG: the image, then for each population the spikes (steps, neurons) of the float and of the integer network.

    Equal networks give dots within circles; a dot or a circle alone is a spike that only one of them has.
    """
    with extras():
        from matplotlib.figure import Figure

    heights = [1.6 + 0.02 * floats.shape[1] for floats, _ in trains.values()]
    figure = Figure(figsize=(9, sum(heights) + 0.8), layout="constrained")
    figure.suptitle(title, fontsize=11)
    grid = figure.add_gridspec(len(trains), 2, width_ratios=(1, 4), height_ratios=heights)
    picture = figure.add_subplot(grid[0, 0])
    picture.imshow(image, cmap="gray_r")
    picture.set_title("input", fontsize=9)
    picture.set_axis_off()
    for row, (name, (floats, integers)) in enumerate(trains.items()):
        axes = figure.add_subplot(grid[row, 1])
        _dots(axes, floats, label="float", s=26, facecolors="none", edgecolors="tab:blue")
        _dots(axes, integers, label="integer", s=5, color="black")
        axes.set_ylabel(f"{name}\n{floats.shape[1]} neurons", fontsize=9)
        axes.set_xlim(0.5, floats.shape[0] + 0.5)
        axes.set_ylim(-1, floats.shape[1])
        if row == 0:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, fontsize=8, frameon=False)
    axes.set_xlabel("step")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _dots(axes: Any, spikes: NDArray[np.bool_], **style: Any) -> None:
    steps, neurons = np.nonzero(spikes)
    axes.scatter(steps + 1, neurons, **style)
