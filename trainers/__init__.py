"""Training in snnTorch: data sets, encoders, recipes. This package alone loads no torch, its modules do."""
