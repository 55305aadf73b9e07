"""The `samwise` command: one small module per subcommand, collected by `main`."""
