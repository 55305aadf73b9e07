"""Video with referring expressions and exact masks: the synthetic world, and readers of public data sets."""
