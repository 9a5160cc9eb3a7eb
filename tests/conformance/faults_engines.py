"""Planted faults of the engines: the fast one is judged by the reference, Lava's worker by the reference too."""

from __future__ import annotations

from tests.conformance.faults import HERE, LAVA_CORNERS, planted

FAST = f"{HERE}/test_fast.py::"
LIF_CODE = f"{HERE}/test_fast_lif.py::"
DRAWN = (f"{FAST}test_generated_programs_equal_the_reference[seeds-0-to-49]",)
WRAPS = (f"{LIF_CODE}test_synaptic_currents_that_may_wrap_and_that_cannot",)
WIDE = (f"{FAST}test_layers_wider_than_a_vector",)
CONV = (f"{FAST}test_convolutions_between_wide_populations",)
DECAYS = (f"{LIF_CODE}test_every_decay_rounds_as_the_definition_says",)
LISTS = (f"{HERE}/test_fast_lists.py::test_many_synapses_of_many_samples",)
TOGETHER = (f"{HERE}/test_fast_lists.py::test_generated_programs_in_batches_that_step_together",)
BATCHES = (f"{FAST}test_threads_and_batches_change_nothing",)
THRESHOLDS = (f"{LIF_CODE}test_neurons_just_below_at_and_above_their_threshold",)
FULL_SUMS = (f"{FAST}test_sums_that_just_fit_their_registers",)
TOLD_APART = (f"{FAST}test_compiled_steps_are_told_apart_by_what_they_compute",)
EACH_SAMPLE = (f"{HERE}/test_neurons.py::test_a_periodic_reset_begins_anew_in_each_sample",)
FIRST = (f"{HERE}/test_lava.py::test_generated_programs_equal_lava[seeds-0-to-7]",)

FAST_ENGINE = [
    *planted(
        "simulators/_fast_lif.py",
        ("fast decay rounds down", " + ((x >> 31) & _LOW)) >> DECAY_BITS", ") >> DECAY_BITS", DRAWN),
        ("fast -2**23 stays", 'u.compared("<=", -STATE_LIMIT)', 'u.compared("<", -STATE_LIMIT)', FULL_SUMS),
        (
            "fast v saturates at -2**23",
            'v.compared("<", 1 - STATE_LIMIT), 1 - STATE_LIMIT',
            'v.compared("<", -STATE_LIMIT), -STATE_LIMIT',
            DRAWN,
        ),
        ("fast spike at the threshold", 'spikes = v.compared(">",', 'spikes = v.compared(">=",', THRESHOLDS),
        ("fast v is not reset", "v.where(spikes, 0).value", "v.value", DRAWN),
        (
            "a part of the spikes is lost",
            "for part in range(LANES // PART)",
            "for part in range(LANES // PART - 1)",
            WIDE,
        ),
    ),
    *planted(
        "simulators/_fast_intrinsics.py",
        ("one row too many for 16 bits", "MOST_ROWS = 257", "MOST_ROWS = 258", FULL_SUMS),
    ),
    *planted(
        "simulators/_fast_kernels.py",
        (
            "the last word of packed spikes is lost",
            "            word |= np.uint64(seen[j] != 0) << np.uint64(j)\n        bits[first + whole] = word",
            "            word |= np.uint64(seen[j] != 0) << np.uint64(j)",
            WIDE,
        ),
        (
            "states stay from sample to sample",
            "                copy(rest, states[s])\n",
            "                if first + s == 0:\n                    copy(rest, states[s])\n",
            BATCHES,
        ),
        ("fast populations start a step early", "max(s0, population.start + 1)", "max(s0, population.start)", DRAWN),
        ("the last message of a population is lost", "[population.size :] = 0", "[population.size - 1 :] = 0", DRAWN),
        ("u without memory is not there to be recorded", "first_states[records[r, 0]] = 1", "pass", DRAWN),
        ("records in the order of the memory", "out[index[population.order + j]] = seen", "out[j] = seen", CONV),
    ),
    *planted(
        "simulators/_fast_synapses.py",
        (
            "fast delays are a step long",
            "(steps + 1) + (t - lag) * words)",
            "(steps + 1) + max(t - lag - 1, 0) * words)",
            DRAWN,
        ),
        (
            "a fast negative exponent rounds toward zero",
            "i32(total >> -exponent)",
            "i32(np.sign(total) * (abs(total) >> -exponent))",
            DRAWN,
        ),
        (
            "groups of a convolution share their targets",
            "channel // arrival.group * arrival.shift",
            "0 * channel",
            CONV,
        ),
        (
            "a sum of any width wraps at 32 bits",
            "i32(shifted << i32(32 - bits)) >> i32(32 - bits)",
            "shifted",
            FULL_SUMS,
        ),
        ("payloads of a list are 1", "i32(wide[weights + k] * payload)", "i32(wide[weights + k])", DRAWN),
        (
            "events beyond the first rows are lost",
            "for first in range(0, count, MOST_ROWS):",
            "for first in range(0, min(count, MOST_ROWS), MOST_ROWS):",
            WIDE,
        ),
        ("a list that is walked counts twice", "            done += 1", "            done += 2", TOGETHER),
    ),
    *planted(
        "simulators/_fast_plan.py",
        ("a loop is one step longer", "lags = [1 + _shortest_delay(q)", "lags = [2 + _shortest_delay(q)", DRAWN),
    ),
    *planted(
        "simulators/_fast_pools.py",
        (
            "the proof that u cannot wrap is twice too good",
            "< STATE_LIMIT * lost)",
            "< 2 * STATE_LIMIT * lost)",
            FULL_SUMS,
        ),
        ("the proof forgets what u keeps", "< STATE_LIMIT * lost)", "< STATE_LIMIT)", FULL_SUMS),
        ("the proof asks one neuron", "STATE_LIMIT * lost).all())", "STATE_LIMIT * lost).any())", DRAWN),
        ("u keeps nothing where one neuron keeps nothing", "(lost == 1).all()", "(lost == 1).any()", DRAWN),
        ("parameters keep the order of the program", "[p[order] for p in parameters]", "parameters", DRAWN),
        ("parameters of the first neuron are those of all", "(row == row[0]).all()", "(row == row[0]).any()", DECAYS),
    ),
    *planted(
        "simulators/_fast_together.py",
        ("a list adds to what lay there before", "if fresh:", "if False:", LISTS),
        (
            "the last synapse of a walked list is lost",
            "+ first + j + 1] - begin",
            "+ first + j + 1] - begin - 1",
            LISTS,
        ),
        (
            "one list of a target replaces another",
            "builder.add(before, builder.shl(found, by))",
            "builder.shl(found, by)",
            LISTS,
        ),
    ),
    *planted(
        "simulators/_fast_layouts.py",
        ("the proof forgets payloads", "if not graded:", "if True:", DRAWN),
        ("the proof forgets the exponent", "* 2.0 ** max(q.exponent, 0)", "* 1.0", WRAPS),
        ("a convolution beyond 16 bits counts as within", "reach.max() < 2**15", "reach.max() < 2**16", FULL_SUMS),
        ("a convolution beyond 24 bits counts as within", "2 ** (kind.SUM_BITS - 1)", "2**kind.SUM_BITS", FULL_SUMS),
    ),
    *planted(
        "simulators/_fast_conv.py",
        (
            "the dilation does not count for the stride",
            "if (x + padding - dilation * k) % stride == 0",
            "if (x + padding) % stride == 0",
            CONV,
        ),
        (
            "padding is left out",
            "        _reached(size, out, kernel, s, p, d)",
            "        _reached(size, out, kernel, s, 0, d)",
            CONV,
        ),
    ),
    *planted(
        "simulators/_fast_models.py",
        (
            "helpers do not tell kernels apart",
            "            yield from content(value)",
            "            yield name",
            TOLD_APART,
        ),
    ),
    *planted(
        "simulators/fast.py",
        ("fast blocks hold the first samples", "payloads[name][first:last]", "payloads[name][: last - first]", BATCHES),
        (
            "records of all blocks go to the first",
            "record.ctypes.data + first * record.strides[0]",
            "record.ctypes.data",
            BATCHES,
        ),
    ),
]

LAVA_ENGINE = [
    *planted(
        "simulators/_lava_worker.py",
        ("Lava's kernel is not flipped", "weights[:, :, ::-1, ::-1]", "weights[:, :, :, :]", LAVA_CORNERS),
        (
            "Lava's convolution ignores its exponent",
            '(p["weights"] << entry["exponent"])',
            '(p["weights"] << 0)',
            LAVA_CORNERS,
        ),
        (
            "Lava's states stay from sample to sample",
            "<= start for step in range(period)",
            "< 0 for step in range(period)",
            FIRST,
        ),
        ("Lava starts a step early", "[(step + 1) % period <= start for", "[(step + 1) % period < start for", FIRST),
        ("Lava's periodic reset counts from the run's start", "(offset + start) % interval", "offset", EACH_SAMPLE),
        (
            "Lava's delays wait a step more in a convolution",
            'waiting(brought.size, entry["delay"] - 1)',
            'waiting(brought.size, entry["delay"])',
            LAVA_CORNERS,
        ),
        (
            "DelayDense adds in 64 bits",
            'if entry["exponent"] < 0 and entry["message_bits"]:',
            'if entry["exponent"] < -8:',
            LAVA_CORNERS,
        ),
    ),
    *planted(
        "simulators/lava.py",
        (
            "Lava counts on over samples",
            'if all(p.neuron != "lif-reset" for p in job.program.populations):',
            "if job:",
            EACH_SAMPLE,
        ),
    ),
]

ENGINES = [*FAST_ENGINE, *LAVA_ENGINE]
