"""Network -> Program: floats to the integers that Loihi 2 has, one scale per population, with a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from snndeploy.errors import BadInput, Problems, shortened
from snndeploy.inputs import Samples
from snndeploy.integers import DECAY_BITS, SYNAPTIC_DECAY_OFFSET
from snndeploy.network import Network, Population
from snndeploy.network import Projection as FloatProjection
from snndeploy.program import Input, LayerReport, Program, Projection
from snndeploy.program import Population as IntegerPopulation
from snndeploy.targets.loihi2 import limits
from snndeploy.targets.loihi2.bounds import exact_sum, largest, largest_currents, may_saturate, summed
from snndeploy.targets.loihi2.calibration import Peaks, peaks, samples_of
from snndeploy.targets.loihi2.equalize import equalized
from snndeploy.targets.loihi2.ranges import BINARY, InputRange, Ranges, choices
from snndeploy.targets.loihi2.scale import Afferent, Fit, Layer, fit
from snndeploy.targets.loihi2.timing import Timing, timing
from snndeploy.targets.loihi2.weights import MAX_BITS, SYNAPSE_BITS

UNLEAKED = 256  # steps that an integrator without a leak has room for, whatever comes; more cost bits of its weights
ROUNDING = 2.0**-5  # relative: what rounding weights, bias and decays can add to the bound on v, for most
ADVICE = {
    "subtract": 'train with reset_mechanism="zero", reset_delay=False',
    "subtract-next": 'train with reset_mechanism="zero", reset_delay=False',
    "zero-next": "train with reset_delay=False",
    "none": 'train with reset_mechanism="zero", reset_delay=False',
}


@dataclass(frozen=True)
class Quantize:
    """The options of the quantizer: weight bits, bound on u (`proven` or `calibrated`), and the range of the inputs."""

    bits: int = 8
    bound: str = "proven"
    input: Ranges = BINARY

    def __call__(self, network: Network, calibration: Samples | None = None) -> Program:
        """The integers of a network. `calibration` (samples, steps, *input_shape) serves `bound="calibrated"`.

        For several inputs it is a mapping of such by their names.

        Raises BadInput, with all problems together, where Loihi 2 has no such neuron or no room.
        """
        self.check()
        problems = Problems("calibrate")
        problems.require(self.bound == "proven" or calibration is not None, "", "a calibrated bound needs data")
        problems.raise_if_any()
        ranges = self._ranges(network)
        samples = None if calibration is None else samples_of(network, calibration, ranges, problems)
        _check_neurons(network)
        times = timing(network)
        seen: Mapping[str, Peaks] = {}
        if self.bound == "calibrated" and samples is not None:
            seen = peaks(network, samples)
            for name, (current, _) in seen.items():
                problems.require(bool(current.any()), name, "the data bring no current here, so they bound nothing")
            problems.raise_if_any()
        programs, refusals = [], []
        for inputs in choices(network.inputs(), ranges):
            try:
                programs.append(_quantize(network, times, inputs, self, seen))
            except BadInput as refusal:  # another number of payload bits may fit
                refusals.append(refusal)
        if not programs:
            raise refusals[0]
        return min(programs, key=lambda pair: pair[0])[1]

    def check(self) -> None:
        """Raise BadInput, with all problems together, for options that cannot be."""
        problems = Problems("")
        # With mixed signs one bit is the sign: 1 bit would leave no positive weight.
        problems.require(2 <= self.bits <= MAX_BITS, "bits", f"expected 2 to {MAX_BITS}, found {self.bits}")
        problems.require(
            self.bound in ("proven", "calibrated"), "bound", f"expected proven or calibrated, found {self.bound!r}"
        )
        ranges = {"input": self.input} if isinstance(self.input, InputRange) else self.input
        for place, samples in ranges.items():
            samples.check(place, problems)
        problems.raise_if_any()

    def _ranges(self, network: Network) -> dict[str, InputRange]:
        """What the samples of each input hold."""
        names = [p.name for p in network.inputs()]
        if isinstance(self.input, InputRange):
            return dict.fromkeys(names, self.input)
        if set(names) != set(self.input):
            raise BadInput("input", f"expected ranges for {sorted(names)}, found {sorted(self.input)}")
        return dict(self.input)


def _check_neurons(network: Network) -> None:
    """Refuse what Loihi's LIF cannot represent, with the line to type instead."""
    problems = Problems("loihi2")
    neurons = sum(p.size for p in network.populations if p.neuron != "input")
    room = limits.CORES_PER_CHIP * limits.NEURONS_PER_CORE
    problems.require(neurons <= room, "", f"{neurons} neurons; a chip has room for {room}")
    problems.raise_if_any()
    for p in network.populations:
        if p.neuron == "input":
            continue
        advice = ADVICE.get(p.reset, "")
        problems.require(
            p.reset == "zero", p.name, f"reset {p.reset!r}: Loihi's LIF sets v to 0 on the spiking step; {advice}"
        )
        du, dv = decays(p)
        slow = (du < 0) | ((dv == 0) & (p.parameters["beta"].ravel() < 1))
        faults = {
            "decays slower than the chip's slowest, 1/4096 a step; use a larger time step": slow,
            f"beta 0 needs a decay of 4096, the register holds 0 to {limits.DECAY_MAX}; use beta >= 1/4096": dv
            > limits.DECAY_MAX * (1 + memoryless(p)),
        }
        for text, found in faults.items():
            problems.require(not found.any(), p.name, text)
    problems.raise_if_any()


def memoryless(population: Population) -> bool:
    """Whether nothing is kept from step to step: a LIF that is cleared in every step, with no decay to represent."""
    return not any(population.parameters[key].any() for key in ("alpha", "beta"))


def decays(population: Population) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """du and dv of a population, flattened: the nearest fractions of 4096 (du is one less, its register adds it)."""
    left = {k: population.parameters[k].ravel() for k in ("alpha", "beta")}
    nearest = {k: np.rint(2**DECAY_BITS * (1 - v)).astype(np.int64) for k, v in left.items()}
    return nearest["alpha"] - SYNAPTIC_DECAY_OFFSET, nearest["beta"]


def _quantize(
    network: Network, times: Timing, inputs: list[Input], options: Quantize, seen: Mapping[str, Peaks]
) -> tuple[float, Program]:
    """The program for given inputs, and the mean square error of the currents that its rounding makes."""
    messages = {entry.name: entry for entry in inputs}
    populations, projections, report, notes, problems = [], [], [], [], Problems("loihi2")
    total_error = 0.0
    for p in network.populations:
        if p.neuron == "input":
            continue
        layer = _layer(network, times, p, messages, options.bits, seen.get(p.name))
        layer, best = _fitted(layer, p.shape, options.bits > SYNAPSE_BITS and p.neuron == "lif")
        unbounded = fit(layer, bounded=False)
        if best is None or unbounded is None:
            problems.add(
                p.name,
                "no scale fits weights, bias, threshold and u: their sizes lie too far apart for the chip's integers",
            )
            continue
        du, dv = decays(p)
        total_error += best.error + _payload_error(layer, messages)
        populations.append(_population(p, best, du, dv, times.starts[p.name]))
        projections += _projections(best, p.name, messages)
        report.append(_report(p, layer, best, unbounded))
        notes += _scales_note(p, best) if layer.own_scales else []
    problems.raise_if_any()
    one = _built_in_name(network)
    if any(q.source == one for q in projections):
        inputs = [*inputs, Input(one, (1,), "one")]
    passes = (f"timing(latency={max(times.starts.values())})", repr(options))
    program = Program(
        tuple(inputs),
        tuple(populations),
        tuple(projections),
        network.outputs,
        network.dt,
        passes,
        (*network.notes, *notes, *_exponent_note(projections)),
        tuple(report),
    )
    program.check("loihi2")
    return total_error, program


def _fitted(layer: Layer, shape: tuple[int, ...], own_scales: bool) -> tuple[Layer, Fit | None]:
    """The layer and its integers: with scales of the neurons' own, unless these ask for more room than there is."""
    if own_scales:
        own = equalized(layer, shape)
        best = fit(own)
        if best is not None:
            return own, best
    return layer, fit(layer)


def _exponent_note(projections: Sequence[Projection]) -> list[str]:
    """What to know of convolutions that have an exponent, as the high part of two that carry more than 8 bits."""
    names = [repr(q.name) for q in projections if q.kind == "conv" and q.exponent]
    return [f"{shortened(names)}: a convolution with an exponent; Lava's has none (lava issue 803)"] if names else []


def _scales_note(p: Population, best: Fit) -> list[str]:
    """What to know of a population whose neurons have scales of their own, where these differ."""
    count, times = len(np.unique(best.threshold)), best.threshold.max() / best.threshold.min()
    text = f"{p.name!r}: each neuron has its own scale, up to {times:.3g} times the smallest; {count} thresholds"
    return [text] if count > 1 else []


def _layer(
    network: Network, times: Timing, p: Population, messages: Mapping[str, Input], bits: int, seen: Peaks | None
) -> Layer:
    """What is quantized together for population p. A bias that must enter u comes as a projection."""
    du, _ = decays(p)
    afferents = []
    for q in network.projections:
        if q.target == p.name:
            entry = messages.get(q.source, Input(q.source, (1,)))
            low, high = min(entry.minimum, 0), max(entry.maximum, 0)  # before its first message a projection brings 0
            on_chip = replace(q, weights=q.weights / entry.scale, delay=times.delays[q.name])
            afferents.append(Afferent(on_chip, (network.population(q.source).shape, p.shape), low, high, bits))
    bias = np.zeros(p.size) if p.bias is None else p.bias.ravel()
    threshold = largest_membrane(p, afferents, bias) if p.neuron == "li" else p.parameters["threshold"].ravel()
    one = None
    if bias.any() and (du < limits.DECAY_MAX).any():
        name, delay = _built_in_name(network), times.starts[p.name] - 1
        constant = FloatProjection(f"{p.name}.bias", name, p.name, bias[:, None], delay)
        one = Afferent(constant, ((1,), p.shape), 0, 1, MAX_BITS)
    return Layer(tuple(afferents), threshold, bias, du, one, seen)


def largest_membrane(p: Population, afferents: Sequence[Afferent], bias: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest |v| of an integrator, in place of a threshold: v then stays within its register.

    Without a leak v has no bound. Then it is what UNLEAKED steps can bring.
    """
    du, dv = decays(p)
    arriving = largest(summed(a.range(a.weights) for a in afferents)) + np.abs(bias)
    current = arriving * 2**DECAY_BITS / (du + SYNAPTIC_DECAY_OFFSET)
    steps = np.where(dv > 0, 2**DECAY_BITS / np.maximum(dv, 1), UNLEAKED)
    reach = float(np.max(current * steps)) * (1 + ROUNDING)
    return np.full(p.size, reach or 1.0)


def _built_in_name(network: Network) -> str:
    """The name of the built-in input that carries the bias of neurons with synaptic current: `one`, if it is free."""
    taken = {p.name for p in network.populations} | {q.name for q in network.projections}
    return next(name for name in ("one" + "_" * count for count in range(len(taken) + 1)) if name not in taken)


def _payload_error(layer: Layer, messages: Mapping[str, Input]) -> float:
    """Mean square of what rounding float inputs to payloads does to the currents: a twelfth of a step squared."""
    floats = {name for name, entry in messages.items() if entry.kind == "float"}
    return math.fsum(exact_sum(a.totals(a.weights**2)) for a in layer.afferents if a.projection.source in floats) / 12


def _population(
    p: Population, best: Fit, du: NDArray[np.int64], dv: NDArray[np.int64], start: int
) -> IntegerPopulation:
    flat = {"du": du, "dv": dv, "bias_mant": best.bias_mant}
    neuron = p.neuron
    if neuron == "lif":
        flat["vth"] = best.threshold
        if memoryless(p):
            neuron = "lif-reset"
            flat |= {"dv": 0 * dv, "interval": np.ones(p.size, np.int64), "offset": np.zeros(p.size, np.int64)}
    parameters = {name: values.reshape(p.shape).astype(np.int32) for name, values in flat.items()}
    parameters["bias_exp"] = np.full(p.shape, best.bias_exp, np.int32)
    return IntegerPopulation(p.name, p.shape, neuron, parameters, start, best.scale)


def _projections(best: Fit, target: str, messages: Mapping[str, Input]) -> list[Projection]:
    return [
        Projection(
            q.name + part.suffix,
            q.source,
            target,
            part.mantissas.astype(np.int32),
            min(carried.afferent.bits, SYNAPSE_BITS),
            part.sign_mode,
            part.exponent,
            q.delay,
            q.kind,
            messages[q.source].message_bits if q.source in messages else 0,
            q.extra,
        )
        for carried in best.arriving()
        for q in [carried.afferent.projection]
        for part in carried.parts
    ]


def _report(p: Population, layer: Layer, best: Fit, unbounded: Fit) -> LayerReport:
    activation = best.activation()
    reach = largest_currents(activation, layer.du) if layer.peaks is None else best.scale * layer.currents()
    du, dv = decays(p)
    held = {"alpha": (du + SYNAPTIC_DECAY_OFFSET) / 2**DECAY_BITS, "beta": dv / 2**DECAY_BITS}
    lost = {key: 1 - p.parameters[key].ravel() for key in held}
    spiking = p.neuron == "lif"
    saturates = may_saturate(activation, layer.du, dv, best.bias)
    if not spiking:
        saturates |= may_saturate((-activation[1], -activation[0]), layer.du, dv, -best.bias)
    size = math.sqrt(math.fsum(a.power(a.weights) for a in layer.afferents)) or 1.0
    return LayerReport(
        population=p.name,
        scale=best.scale,
        threshold=int(best.threshold.max()) if spiking else 0,
        weight_max=max((int(np.abs(c.mantissas).max(initial=0)) for c in best.carried), default=0),
        error=math.sqrt(best.weight_error) / size,
        error_unbounded=math.sqrt(unbounded.weight_error) / size,
        decay_error=max(_relative_error(held[key], lost[key]) for key in held),
        bias_error=_relative_error(layer.bias + best.bias_error, layer.bias, 1 / 16),
        threshold_error=_relative_error(best.threshold / best.scale, layer.threshold) if spiking else 0.0,
        bound=float(reach.max()) / (limits.STATE_MAX + 1),
        proven=layer.peaks is None,
        saturates=saturates,
        limit=best.limit,
    )


def _relative_error(found: NDArray[np.float64], wanted: NDArray[np.float64], floor: float = 0.0) -> float:
    """The largest relative error; values below `floor` times the largest one count as that."""
    size = np.maximum(np.abs(wanted), np.abs(wanted).max() * floor)
    return float(np.max(np.abs(found - wanted) / np.where(size == 0, 1, size)))
