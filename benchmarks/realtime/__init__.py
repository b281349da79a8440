"""What latency does to a policy in the simulator, and what real-time chunking does about it."""
