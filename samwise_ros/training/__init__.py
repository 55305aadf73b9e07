"""Makes the weights that ship. Called by `cli`."""
