"""Dreaming: models that turn a first frame and an instruction into a video, how they are tuned, and what they make."""
