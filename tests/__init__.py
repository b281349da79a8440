from pathlib import Path

NOWHERE = Path(__file__).parent / "nowhere"
"""A path where nothing is, on every machine."""
