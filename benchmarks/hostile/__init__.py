"""Attacks on everything that reads what others wrote, each beside a healthy item that must come through."""
