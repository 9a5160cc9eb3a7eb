"""What Loihi 2 has room for: every number with the source it comes from."""

from __future__ import annotations

# Registers of a neuron (Lava 0.10.0, lava/proc/lif/models.py, docstring of PyLifModelBitAcc).
DECAY_MAX = 4095  # du and dv: 12 bits, unsigned
THRESHOLD_MAX = 131071  # vth: 17 bits, unsigned
BIAS_MANTISSA_MAX = 4095  # bias_mant: 13 bits, signed
BIAS_EXPONENT_MAX = 7  # bias_exp: 3 bits, unsigned
STATE_MAX = 2**23 - 1  # u and v: 24 bits, signed

# Exponents of weights that the compiler emits. Lava's Conv has none on the chip (lava issue 803): ours has one only in
# the high part of weights of more than 8 bits, and a note says so.
WEIGHT_EXPONENT_MAX = {"conv": 0, "dense": 7, "sparse": 7}

# A neurocore (Intel's Loihi 2 brief, as quoted by third parties; Intel has published no data sheet).
NEURONS_PER_CORE = 8192
SYNAPSE_BYTES_PER_CORE = 128 * 1024
CORES_PER_CHIP = 120  # the mapper's NUM_VIRTUAL_CORES_L3 (lava/magma/compiler/subcompilers/constants.py)

# Layout of synapse memory, known for Loihi 1 only (nengo_loihi/block.py): an entry per source neuron has a
# 10-bit prefix and fills whole 64-bit words; a delay takes 6 bits.
SYNAPSE_PREFIX_BITS = 10
SYNAPSE_WORD_BITS = 64
DELAY_BITS = 6
