"""Planted faults: changes of one place each, with the tests of which one has to fail (`test_planted_faults.py`).

Those of the definition are judged by what does not use it: Lava's answers, plain Python integers, torch, vectors worked
out by hand and the chip's trace. `faults_neurons.py` holds those of single neuron models, `faults_engines.py` those of
the engines.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """`old`, which stands in `file` exactly once, becomes `new`; one of `tests` has to fail by an assertion."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def planted(file: str, *faults: tuple[str, str, str, tuple[str, ...]]) -> list[Fault]:
    return [Fault(what, file, old, new, tests) for what, old, new, tests in faults]


HERE = "tests/conformance"
LAVA = tuple(f"{HERE}/test_lava.py::test_generated_programs_equal_lava[seeds-{i}-to-{i + 7}]" for i in range(0, 32, 8))
LAVA_CORNERS = (f"{HERE}/test_projections.py::test_the_corners_equal_lava",)
LAVA_RESETS = (f"{HERE}/test_neurons.py::test_a_model_equals_lava[lif-reset]",)
WRAP_EDGES = (f"{HERE}/test_integers.py::test_the_edges_of_wrap",)
ONE_WEIGHT = (f"{HERE}/test_integers.py::test_effective_weights",)
CHIP = (
    "tests/golden/test_chip_trace.py::test_every_state_and_spike_of_the_recordings[chip-lif_lava_loihi_fixed.csv-reference]",
)
TORCH = (f"{HERE}/test_projections.py::test_conv_is_that_of_torch",)
DELTAS = (f"{HERE}/test_neurons.py::test_delta_and_sigma_delta_send_at_exactly_their_threshold",)
SMALLEST = (f"{HERE}/test_neurons.py::test_the_smallest_int32_has_no_magnitude",)
BATCHES = (f"{HERE}/test_reference.py::test_samples_beyond_a_block_are_what_they_are_alone",)


def one(model: str) -> tuple[str, ...]:
    """The model against its second implementation in plain integers."""
    return (f"{HERE}/test_neurons.py::test_a_model_equals_its_second_implementation[{model}]",)


def loops(kind: str) -> tuple[str, ...]:
    """The kind of projection against plain loops over its definition."""
    return (f"{HERE}/test_projections.py::test_synapses_are_those_of_plain_loops[{kind}]",)


INTEGERS = planted(
    "snndeploy/integers.py",
    ("int32 clips", "return ((x + 2**31) & (2**32 - 1)) - 2**31", "return np.clip(x, -(2**31), 2**31 - 1)", LAVA),
    ("decay rounds down", "np.sign(x) * (np.abs(x) >> bits)", "x >> bits", LAVA),
    ("decay rounds to nearest", "(np.abs(x) >> bits)", "((np.abs(x) + (1 << bits - 1)) >> bits)", LAVA),
    (
        "a negative exponent rounds toward zero",
        "return x << np.maximum(exponent, 0) >> np.maximum(-exponent, 0)",
        "return np.sign(x) * (np.abs(x) << np.maximum(exponent, 0) >> np.maximum(-exponent, 0))",
        LAVA,
    ),
    ("u clips", "u = u - (u > STATE_LIMIT) * (2 * STATE_LIMIT)", "u = np.minimum(u, STATE_LIMIT)", LAVA),
    ("-2**23 stays", "(u <= -STATE_LIMIT)", "(u < -STATE_LIMIT)", WRAP_EDGES),
    (
        "u wraps as often as it takes",
        "u - (u > STATE_LIMIT) * (2 * STATE_LIMIT)",
        "u - (u + STATE_LIMIT - 1) // (2 * STATE_LIMIT) * (2 * STATE_LIMIT)",
        LAVA,
    ),
    (
        "v wraps",
        "np.minimum(np.maximum(v, 1 - STATE_LIMIT), STATE_LIMIT - 1)",
        "(v + STATE_LIMIT) % (2 * STATE_LIMIT) - STATE_LIMIT",
        LAVA,
    ),
    ("v saturates at -2**23", "np.maximum(v, 1 - STATE_LIMIT)", "np.maximum(v, -STATE_LIMIT)", LAVA),
    (
        "a spike at the threshold",
        "v > threshold << ALIGN_BITS",
        "v >= threshold << ALIGN_BITS",
        (f"{HERE}/test_integers.py::test_the_threshold_is_strict",),
    ),
    ("activations are aligned by 5", "ALIGN_BITS = 6", "ALIGN_BITS = 5", CHIP),
    ("du without the 1", "SYNAPTIC_DECAY_OFFSET = 1", "SYNAPTIC_DECAY_OFFSET = 0", LAVA),
    ("dv with a 1", "int32(decay(v, dv) + u", "int32(decay(v, dv + 1) + u", CHIP),
    (
        "the bias decays",
        "int32(decay(v, dv) + u + int32(shift(bias_mant, bias_exp)))",
        "int32(decay(v + int32(shift(bias_mant, bias_exp)), dv) + u)",
        LAVA,
    ),
    (
        "a decay of input and memory",
        "decay(u, du + SYNAPTIC_DECAY_OFFSET) + int32(a << ALIGN_BITS)",
        "decay(u + int32(a << ALIGN_BITS), du + SYNAPTIC_DECAY_OFFSET)",
        CHIP,
    ),
    ("activations clip at 16 bits", "int32(a << ALIGN_BITS)", "(np.clip(a, -(2**15), 2**15 - 1) << ALIGN_BITS)", LAVA),
    (
        "mixed weights round toward zero",
        "return np.clip(weights, -256 if mixed else 0, 255) >> dropped << dropped",
        "return np.sign(weights) * (np.minimum(np.abs(weights), 255) >> dropped << dropped)",
        ONE_WEIGHT,
    ),
    (
        "inhibitory weights round down",
        'return -effective_weights(-weights, bits, "excitatory")',
        "return np.clip(weights, -255, 0) >> 8 - bits << 8 - bits",
        ONE_WEIGHT,
    ),
    ("the sign takes no bit", "dropped = 8 - bits + mixed", "dropped = 8 - bits", ONE_WEIGHT),
    ("graded sums of 64 bits", "int32(total) if graded else total", "total", LAVA_CORNERS),
    (
        "what arrives clips",
        "((shifted + 2 ** (bits - 1)) & (2**bits - 1)) - 2 ** (bits - 1)",
        "np.clip(shifted, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)",
        LAVA_CORNERS,
    ),
    (
        "delta sends above the threshold",
        "(int32(np.abs(compared)) >= threshold)",
        "(int32(np.abs(compared)) > threshold)",
        DELTAS,
    ),
    ("the error stays when delta sends", "error * (int32(np.abs(sent)) <= 0)", "error", one("delta")),
    ("a magnitude of 32 bits and a sign", "int32(np.abs(compared))", "np.abs(compared)", SMALLEST),
)

PROJECTIONS = [
    *planted(
        "snndeploy/projections/dense.py",
        (
            "delays per synapse without the projection's",
            "(q.delay + int(delay), _weighted",
            "(int(delay), _weighted",
            LAVA,
        ),
        (
            "an exponent on each weight",
            "[(q.delay, _weighted(wide(q.weights)))]",
            "[(q.delay, _weighted(wide(q.weights) >> max(-q.exponent, 0) << max(-q.exponent, 0)))]",
            LAVA,
        ),
        (
            "a delay of 62 is dropped",
            "for delay in np.unique(delays)",
            "for delay in np.unique(delays[delays < 62])",
            LAVA_CORNERS,
        ),
    ),
    *planted(
        "snndeploy/projections/sparse.py",
        (
            "the last synapse of a target is lost",
            "message[sources], starts)",
            "message[sources] * np.append(np.diff(targets) == 0, False), starts)",
            LAVA,
        ),
        (
            "delays per synapse without the projection's own",
            ".astype(np.int64) + q.delay",
            ".astype(np.int64)",
            loops("sparse"),
        ),
    ),
    *planted(
        "snndeploy/projections/conv.py",
        (
            "the kernel is flipped",
            "q.weights[(slice(None), slice(None), *place)]",
            "q.weights[(slice(None), slice(None), *(-1 - k for k in place))]",
            TORCH,
        ),
        ("the groups change places", '"goi,sgi...->sgo...", by_group,', '"goi,sgi...->sgo...", by_group[::-1],', TORCH),
        ("the border goes on", "constant_values=outside)", 'mode="edge")', TORCH),
        ("padding at the far end", "((p, p) for p in padding)", "((0, 2 * p) for p in padding)", TORCH),
        ("a convolution of 32 bits", "SUM_BITS = 24", "SUM_BITS = 32", LAVA_CORNERS),
    ),
]

REFERENCE = planted(
    "simulators/reference.py",
    ("every delay a step short", "max(t - 1 - delay, 0)", "max(t - delay, 0)", CHIP),
    ("every delay a step long", "max(t - 1 - delay, 0)", "max(t - 2 - delay, 0)", LAVA),
    ("a delay of 62 acts as 61", "max(t - 1 - delay, 0)", "max(t - 1 - min(delay, 61), 0)", LAVA_CORNERS),
    ("populations start a step early", "if t <= population.start:", "if t < population.start:", LAVA),
    (
        "graded messages count as binary",
        "seen = messages if graded else (messages != 0).astype(np.int64)",
        "seen = (messages != 0).astype(np.int64)",
        LAVA,
    ),
    (
        "binary projections multiply payloads",
        "messages if graded else (messages != 0).astype(np.int64)",
        "messages",
        LAVA,
    ),
    (
        "the last projection wins",
        "activation = int32(activation + brought(sent, t))",
        "activation = brought(sent, t)",
        LAVA,
    ),
    (
        "an exponent on the sum of all delays",
        "total = total + bring(weighted(seen), q.exponent, graded, kind.SUM_BITS)\n        return total",
        "total = total + weighted(seen)\n        return bring(total, q.exponent, graded, kind.SUM_BITS)",
        LAVA_CORNERS,
    ),
    ("every block holds the first samples", "x[first : first + BLOCK]", "x[: min(BLOCK, len(x) - first)]", BATCHES),
    (
        "the input comes a step late",
        "sent[name][:, 1 : steps + 1] = x",
        "sent[name][:, 2 : steps + 1] = x[:, :-1]",
        LAVA,
    ),
)

SHARED = [*INTEGERS, *PROJECTIONS, *REFERENCE]
