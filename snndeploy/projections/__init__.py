"""Kinds of projections, one file each: found by listing this folder.

A kind has EXTRA, the arrays that a projection of it may hold beside its weights; SUM_BITS, the width of the register
that keeps its sum (`snndeploy.integers.bring`); and three functions of a projection and the shapes of its two ends:
`check(q, source, target, problems)` reports arrays that do not fit; `parts(q, source, target)` gives for each delay a
function from messages (samples, sources) to their weighted sums (samples, targets), both int64 and flat;
`synapses(q, source, target)` is the same as a list: source, target, weight and delay of every synapse that has a
weight, each int64, in no order that matters.
"""
