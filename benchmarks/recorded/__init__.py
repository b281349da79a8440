"""Our numbers against those of the published code, recorded once: shared by the parity table and by the tests."""
