"""Subcommands of `lifeline`, one a file."""
