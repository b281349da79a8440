"""The planters, one file a kind of damage, and the catalogue of all."""
