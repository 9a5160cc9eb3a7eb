"""Recipes, one file each: `RECIPE` holds the data set, the encoder, the model and the hyperparameters."""
