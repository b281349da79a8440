"""What a served policy does, as drops that the landing takes in."""
