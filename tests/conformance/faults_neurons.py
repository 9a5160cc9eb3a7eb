"""Planted faults of single neuron models: judged by their second implementation, by hand, by Lava and the chip."""

from __future__ import annotations

from tests.conformance.faults import CHIP, HERE, LAVA, LAVA_RESETS, SMALLEST, one, planted

ONE_LIF = (f"{HERE}/test_integers.py::test_lif_step",)
BY_HAND = (f"{HERE}/test_neurons.py::test_a_refractory_period_and_a_periodic_reset_by_hand",)
STILL_ABOVE = (f"{HERE}/test_neurons.py::test_a_neuron_that_is_still_above_its_threshold",)
RESONATOR = (f"{HERE}/test_neurons.py::test_a_resonator_spikes_at_exactly_its_threshold",)

NEURONS = [
    *planted(
        "snndeploy/neurons/lif.py",
        (
            "v takes the current of the step before",
            "    u = synaptic_current(a, u, du)\n    v = saturate(integrated(v, u, dv, bias_mant, bias_exp))\n",
            "    v = saturate(integrated(v, u, dv, bias_mant, bias_exp))\n    u = synaptic_current(a, u, du)\n",
            CHIP,
        ),
        (
            "reset before spike",
            "spikes = spike(v, vth)",
            "v = reset(v, spike(v, vth))\n    spikes = spike(v, vth)",
            CHIP,
        ),
        (
            "u is reset too",
            "return spikes, u, reset(v, spikes)",
            "return spikes, reset(u, spikes), reset(v, spikes)",
            LAVA,
        ),
        ("v is not reset", "return spikes, u, reset(v, spikes)", "return spikes, u, v", ONE_LIF),
    ),
    *planted(
        "snndeploy/neurons/lif_reset.py",
        (
            "a periodic reset a step late",
            "    phase = (phase + 1) % interval\n    cleared = phase == offset % interval\n",
            "    cleared = phase == offset % interval\n    phase = (phase + 1) % interval\n",
            BY_HAND,
        ),
        (
            "a periodic reset of v alone",
            "synaptic_current(a, reset(u, cleared), du)",
            "synaptic_current(a, u, du)",
            LAVA_RESETS,
        ),
        (
            "an offset beyond the interval never comes",
            "cleared = phase == offset % interval",
            "cleared = phase == offset",
            one("lif-reset"),
        ),
    ),
    *planted(
        "snndeploy/neurons/lif_refractory.py",
        ("a period that is a step short", "spikes * refractory_period", "spikes * (refractory_period - 1)", BY_HAND),
        (
            "u waits too",
            "u = synaptic_current(a, u, du)",
            "u = reset(synaptic_current(a, u, du), wait > 0)",
            one("lif-refractory"),
        ),
    ),
    *planted(
        "snndeploy/neurons/lif_subtract.py",
        ("a reset to zero", "v - spikes * (vth << ALIGN_BITS)", "v * (spikes == 0)", one("lif-subtract")),
        ("still above the threshold is a spike", "vth + still_above * vth", "vth", STILL_ABOVE),
    ),
    *planted(
        "snndeploy/neurons/lif_subtract_next.py",
        (
            "v saturates before the subtraction",
            "bias_mant, bias_exp) - subtracted)",
            "bias_mant, bias_exp)) - subtracted",
            one("lif-subtract-next"),
        ),
        (
            "what is subtracted decays",
            "integrated(v, u, dv, bias_mant, bias_exp) - subtracted",
            "integrated(v - subtracted, u, dv, bias_mant, bias_exp)",
            one("lif-subtract-next"),
        ),
    ),
    *planted(
        "snndeploy/neurons/ternary_lif.py",
        (
            "a negative spike at its threshold",
            "(v < vth_lo << ALIGN_BITS)",
            "(v <= vth_lo << ALIGN_BITS)",
            one("ternary-lif"),
        ),
        ("no reset by a negative spike", "reset(v, signs != 0)", "reset(v, signs > 0)", LAVA),
    ),
    *planted(
        "snndeploy/neurons/li.py",
        ("an integrator that is reset", "return never, u, v", "return never, u, v * (v <= 131071 << 6)", one("li")),
    ),
    *planted(
        "snndeploy/neurons/rf.py",
        (
            "a product of two terms rounds once",
            "toward_zero(cos_decay * real, decay_bits) - toward_zero(sin_decay * imag, decay_bits)",
            "toward_zero(cos_decay * real - sin_decay * imag, decay_bits)",
            one("rf"),
        ),
        ("a resonator spikes above its threshold", "real >= vth << state_exp", "real > vth << state_exp", RESONATOR),
        ("a crossing from 0", "(before < 0)", "(before <= 0)", one("rf")),
    ),
    *planted(
        "snndeploy/neurons/rf_iz.py",
        ("a reset to the threshold itself", "((vth << state_exp) - 1)", "(vth << state_exp)", RESONATOR),
    ),
    *planted(
        "snndeploy/neurons/sigma.py",
        ("a sum of 24 bits", "int32(sigma + a)", "(sigma + a + 2**23) % 2**24 - 2**23", one("sigma")),
    ),
    *planted(
        "snndeploy/neurons/delta.py",
        (
            "lost bits return to the residue",
            "act, delta - coded, error",
            "act, delta - (coded >> state_exp << state_exp), error",
            one("delta"),
        ),
        (
            "an activation without the state's exponent",
            "int32(a << spike_exp + state_exp)",
            "int32(a << spike_exp)",
            one("delta"),
        ),
    ),
    *planted(
        "snndeploy/neurons/sigma_delta.py",
        ("a bias that is not shifted", "(bias << spike_exp + state_exp)", "bias", one("sigma-delta")),
        (
            "a ReLU in either mode",
            "+ (1 - act_mode) * biased",
            "+ (1 - act_mode) * np.maximum(biased, 0)",
            one("sigma-delta"),
        ),
    ),
    *planted(
        "snndeploy/neurons/graded_relu.py", ("a ReLU at its threshold", "(a > vth)", "(a >= vth)", one("graded-relu"))
    ),
    *planted(
        "snndeploy/neurons/graded_threshold.py",
        ("the smallest int32 has a magnitude", "int32(np.abs(a))", "np.abs(a)", SMALLEST),
    ),
    *planted(
        "snndeploy/neurons/atrlif.py",
        ("a spike above the adaptive threshold", "int32(v - r) >= theta", "int32(v - r) > theta", one("atrlif")),
        (
            "an adaptive threshold that begins at 0",
            "0 * theta_0, theta_0 << ALIGN_BITS,",
            "0 * theta_0, 0 * theta_0,",
            LAVA,
        ),
        ("the refractory state grows once", "spikes * (2 * theta)", "spikes * theta", one("atrlif")),
    ),
]
