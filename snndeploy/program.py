"""Program: the network in integers, exactly as a simulator, Lava or the chip runs it. No cores, no floats that act.

Time in a Program is that of the chip: every projection takes one step plus its delay. A population with start s holds
still up to step s of a sample, and step t of the sample reaches it in raw step s + t.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import Problems
from snndeploy.integers import Ints, effective_weights
from snndeploy.registry import part, parts
from snndeploy.values import check_names, frozen_array, frozen_mapping

MAX_DELAY = 62  # lava-dl netx/hdf5.py clamps delays to 62; Brian2Loihi has the same limit
MAX_EXPONENT = 7  # weight exponents of Loihi are -8..7 (brian2_loihi); the compiler emits none below 0
MIN_EXPONENT = -8
MAX_PAYLOAD_BITS = 24  # graded spikes of Loihi 2 reach 32 bits (Open Neuromorphic); 24 keep every product in int64
GRADED = ("graded", "float")  # kinds of inputs that send payloads
SIGN_MODES = ("mixed", "excitatory", "inhibitory")


@dataclass(frozen=True)
class Input:
    """Where a sample enters. `kind` is binary (0 or 1), graded (integers minimum..maximum), float or one.

    `float` is graded, and its samples are floats that become payloads by `scale`: payload = round(x * scale). `one`
    is built in: 1 during the sample.
    """

    name: str
    shape: tuple[int, ...]
    kind: str = "binary"
    minimum: int = 0
    maximum: int = 1
    scale: float = 1.0

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def start(self) -> int:
        return 0

    @property
    def message_bits(self) -> int:
        """Bits of a payload, with its sign; 0 for binary messages."""
        if self.kind not in GRADED:
            return 0
        return max(self.maximum.bit_length(), (-self.minimum - 1).bit_length()) + (self.minimum < 0)


@dataclass(frozen=True)
class Population:
    """Neurons of one model with integer parameters (int32, of the population's shape) and the step they start at.

    `scale` is for people: activation = scale * current, so u and v are 64 * scale times the float ones. Where neurons
    have scales of their own (notes say so) it is the smallest.
    """

    name: str
    shape: tuple[int, ...]
    neuron: str
    parameters: Mapping[str, NDArray[np.int32]]
    start: int
    scale: float = 1.0

    def __post_init__(self) -> None:
        name, shape = self.name, self.shape
        parameters = {
            k: frozen_array(np.broadcast_to(v, shape), np.int32, f"{name}.{k}") for k, v in self.parameters.items()
        }
        object.__setattr__(self, "parameters", frozen_mapping(parameters))

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def message_bits(self) -> int:
        """Bits of what it sends, with the sign; 0 for spikes."""
        bits: int = part("neurons", self.neuron).MESSAGE_BITS
        return bits


@dataclass(frozen=True)
class Projection:
    """Synapses of one kind: `weights` are int32 mantissas, as the synapse holds them, in the shape of the kind.

    The activation is the weighted sum of messages times 2**exponent, one step plus `delay` after they were sent. With
    `message_bits` 0 only the presence of a message counts, with more its payload multiplies the weight. `extra` holds
    what else the kind needs (`snndeploy.projections`): delays per synapse, indices, strides.
    """

    name: str
    source: str
    target: str
    weights: NDArray[np.int32]
    weight_bits: int = 8
    sign_mode: str = "mixed"
    exponent: int = 0
    delay: int = 0
    kind: str = "dense"
    message_bits: int = 0
    extra: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen_array(self.weights, np.int32, f"{self.name}.weights"))
        extra = {key: frozen_array(array, np.int32, f"{self.name}.{key}") for key, array in self.extra.items()}
        object.__setattr__(self, "extra", frozen_mapping(extra))


@dataclass(frozen=True)
class LayerReport:
    """What quantizing one population did, for people.

    `scale` is the smallest of its neurons. `weight_max` is the largest |mantissa| used, of all its bits where two
    projections carry them. `error` is the root mean square of what rounding does to the weighted messages over theirs,
    `error_unbounded` what it would be if u were allowed to wrap: the difference is the price of the bound.
    `decay_error`, `bias_error` and `threshold_error` are the largest relative errors of what sits in the registers.
    `bound` is the largest |u| that can occur as a share of 2**23; `proven` says whether that covers every admitted
    input, or only the calibration data and a margin. `saturates` says whether v could reach its lower limit, where the
    chip saturates and a float does not. `limit` says what lets the scale be no larger: weights, threshold, bias, u, v,
    or the sum of a projection.
    """

    population: str
    scale: float
    threshold: int
    weight_max: int
    error: float
    error_unbounded: float
    decay_error: float
    bias_error: float
    threshold_error: float
    bound: float
    proven: bool
    saturates: bool
    limit: str


@dataclass(frozen=True)
class Program:
    """A network in integers. `passes` says how it was made, `source` is the SHA-256 of the graph it came from."""

    inputs: tuple[Input, ...]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    outputs: tuple[str, ...]
    dt: float = 1e-4
    passes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    report: tuple[LayerReport, ...] = ()
    source: str = ""
    _ends: Mapping[str, Input | Population] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ends", frozen_mapping({end.name: end for end in self.ends()}))

    def ends(self) -> list[Input | Population]:
        """Everything that sends: the inputs and the populations."""
        return [*self.inputs, *self.populations]

    def end(self, name: str) -> Input | Population:
        """The input or population of that name."""
        return self._ends[name]

    def user_inputs(self) -> list[Input]:
        """The inputs that a sample has to bring."""
        return [i for i in self.inputs if i.kind != "one"]

    def output(self) -> Population:
        """The population whose spikes are counted: the first output. A run probes the others."""
        end = self.end(self.outputs[0])
        assert isinstance(end, Population)
        return end

    @property
    def latency(self) -> int:
        """Steps that a sample takes beyond its own: the largest start."""
        return max((p.start for p in self.populations), default=0)

    def check(self, where: str = "program") -> None:
        """Raise BadInput with all the problems of this program, if there are any."""
        problems = Problems(where)
        check_names([part.name for part in (*self.ends(), *self.projections)], problems)
        problems.require(math.isfinite(self.dt) and self.dt > 0, "dt", f"expected seconds above 0, found {self.dt}")
        problems.require(bool(self.user_inputs()), "", "no input")
        problems.require(bool(self.outputs), "", "no output")
        names = {p.name for p in self.populations}
        for name in self.outputs:
            problems.require(name in names, name, "an output that is no population")
        for entry in self.inputs:
            _check_input(entry, problems)
        latest = len(self.populations) * (1 + MAX_DELAY)  # each adds a step and a delay at most
        for population in self.populations:
            _check_population(population, problems)
            _require_range(population.start, 0, latest, f"{population.name}.start", problems)
        for projection in self.projections:
            self._check_projection(projection, problems)
        problems.raise_if_any()

    def _check_projection(self, projection: Projection, problems: Problems) -> None:
        name = projection.name
        for end in (projection.source, projection.target):
            if not problems.require(end in self._ends, name, f"no input or population {end!r}"):
                return
        source, target = self.end(projection.source), self.end(projection.target)
        if not problems.require(isinstance(target, Population), name, f"the target {target.name!r} is an input"):
            return
        if not problems.require(projection.kind in parts("projections"), name, f"unknown kind {projection.kind!r}"):
            return
        kind = part("projections", projection.kind)
        unknown = sorted(projection.extra.keys() - set(kind.EXTRA))
        problems.require(not unknown, name, f"a {projection.kind} projection has no {', '.join(unknown)}")
        kind.check(projection, source.shape, target.shape, problems)
        _require_range(projection.message_bits, 0, MAX_PAYLOAD_BITS, f"{name}.message_bits", problems)
        _require_range(projection.exponent, kind.MIN_EXPONENT, MAX_EXPONENT, f"{name}.exponent", problems)
        _require_range(projection.delay, 0, MAX_DELAY, f"{name}.delay", problems)
        lag = source.start + 1 + projection.delay - target.start
        problems.require(lag >= 0, name, f"arrives {-lag} steps before {target.name!r} starts; expected a longer delay")
        bits_good = _require_range(projection.weight_bits, 1, 8, f"{name}.weight_bits", problems)
        mode_good = projection.sign_mode in SIGN_MODES
        problems.require(mode_good, name, f"unknown sign mode {projection.sign_mode!r}; known: {', '.join(SIGN_MODES)}")
        if bits_good and mode_good:
            weights: Ints = projection.weights.astype(np.int64)
            good = effective_weights(weights, projection.weight_bits, projection.sign_mode) == weights
            form = f"{projection.weight_bits} bit {projection.sign_mode}"
            problems.require_all(weights, good, name, f"expected {form} weights")


def _require_range(value: int, low: int, high: int, place: str, problems: Problems) -> bool:
    return problems.require(low <= value <= high, place, f"expected {low} to {high}, found {value}")


def _require_shape(shape: tuple[int, ...], name: str, problems: Problems) -> None:
    lengths = bool(shape) and all(length > 0 for length in shape)
    problems.require(lengths, f"{name}.shape", f"expected lengths above 0, found {shape}")


def _require_scale(scale: float, name: str, problems: Problems) -> None:
    problems.require(math.isfinite(scale) and scale > 0, f"{name}.scale", f"expected above 0, found {scale}")


def _check_input(entry: Input, problems: Problems) -> None:
    name, low, high = entry.name, entry.minimum, entry.maximum
    _require_shape(entry.shape, name, problems)
    _require_scale(entry.scale, name, problems)
    if entry.kind in ("binary", "one"):
        problems.require(
            (low, high) == (0, 1), name, f"a {entry.kind} input has payloads 0 to 1, found {low} to {high}"
        )
    elif problems.require(
        entry.kind in GRADED, name, f"unknown kind {entry.kind!r}; known: binary, graded, float, one"
    ):
        problems.require(low < high, name, f"expected minimum < maximum, found {low} and {high}")
        _require_range(entry.message_bits, 1, MAX_PAYLOAD_BITS, f"{name}.message_bits", problems)


def _check_population(population: Population, problems: Problems) -> None:
    name = population.name
    _require_shape(population.shape, name, problems)
    _require_scale(population.scale, name, problems)
    if population.neuron not in parts("neurons"):
        problems.add(name, f"unknown neuron {population.neuron!r}; known: {', '.join(parts('neurons'))}")
        return
    ranges: Mapping[str, tuple[int, int]] = part("neurons", population.neuron).PARAMETERS
    expected = f"expected parameters {sorted(ranges)}, found {sorted(population.parameters)}"
    problems.require(set(population.parameters) == set(ranges), name, expected)
    for parameter in ranges.keys() & population.parameters.keys():
        (low, high), values = ranges[parameter], population.parameters[parameter]
        good = (values >= low) & (values <= high)
        problems.require_all(values, good, f"{name}.{parameter}", f"expected {low} to {high}")
