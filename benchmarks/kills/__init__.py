"""kill -9 at random instants, of stages, of Dagster steps and of training, and what is left afterwards."""
