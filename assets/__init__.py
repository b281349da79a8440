"""What exists, in Dagster: thin nouns. Each body calls one library function and reports what came out."""
