"""Planted defects: clean episodes are damaged one way at a time, and the doctor is scored on what it names."""
