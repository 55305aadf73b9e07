"""How good a model is. Called by `cli`, `training` and `ros`."""
