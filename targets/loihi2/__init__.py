"""Loihi 2: its limits, timing, quantizer and placement. Network -> Program -> Placement."""
