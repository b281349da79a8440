"""The pairs that are raced."""

from benchmarks.races.ingests import INGEST
from benchmarks.races.judged import JUDGED
from benchmarks.races.models import MODELS
from benchmarks.races.writers import WRITERS

PAIRS = {pair.name: pair for pair in (*INGEST, *WRITERS, *JUDGED, *MODELS)}
