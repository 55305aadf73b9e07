"""How good a model is. Called by `cli` and `training`."""
