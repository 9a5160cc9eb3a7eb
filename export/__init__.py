"""Interchange formats: snnTorch to NIR, NIR files, NIR to Network. Importing this package loads none of them."""
