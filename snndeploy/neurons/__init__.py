"""Neuron models, one file each: found by listing this folder.

A model has STATES and PARAMETERS (name -> smallest and largest value), MESSAGE_BITS of what it sends (0: spikes),
`rest(*parameters)` with the states before the first step, and `step(a, *states, *parameters)`, which returns what is
sent and the new states. A state with `_` in front of its name is a counter, and no probe: an engine may keep it in its
own way. `step` is written once, for arrays in the reference and for single integers in the fast engine: arithmetic and
comparisons, numpy's minimum, maximum, abs and sign, and functions of the same file or of `snndeploy.integers`.
"""
