"""The benchmark: the fast engine beside snnTorch, Lava and the reference, in one run on one machine.

`nets` are the programs, `rivals` the same networks in snnTorch and Lava, `roofline` the peaks of the machine, `timing`
the clock, `measure` what is measured of them. Times are never asserted: what counts are ratios within one run.
"""
