"""Encoders, one file each: `encode(x, steps, seed)` makes payloads, `INPUT` says if `binary` or `graded:LOW:HIGH`."""
