"""Two processes at once on one lake: every pair of writers, many times, and what they left beside a lone run's."""
