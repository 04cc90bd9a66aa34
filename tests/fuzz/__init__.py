"""Fuzzing and sanitizers: `make fuzz` runs `fuzz.run`, `make asan` runs `fuzz.asan`."""
