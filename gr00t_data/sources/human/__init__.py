"""Egocentric video of people at work: footage with narrations becomes clips, with or without the path of the hands."""
