"""What the model process runs: encoders, heads and the verifier of question pairs."""
