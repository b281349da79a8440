"""The loader against lerobot, against the published access pattern and against the limit of the memory."""
