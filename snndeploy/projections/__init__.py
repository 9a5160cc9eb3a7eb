"""Kinds of projections, one file each: found by listing this folder.

A kind has EXTRA, the arrays that a projection of it holds beside its weights; `check(q, source, target, problems)` for
their shapes; and `parts(q)`, which gives for each delay a function from messages (samples, sources) to their weighted
sums (samples, targets), both int64 and flat.
"""
