"""What egocentric video costs, and what it brings."""
