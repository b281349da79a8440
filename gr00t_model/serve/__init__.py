"""A policy at work: the server, the client of a robot, and what comes back of both."""
