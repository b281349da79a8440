"""What happens to episodes: read, align, check, index, measure, mix, batch."""
