"""One package behind the commands and the plug-in modules at the top of the repository."""

__version__ = "0.2.0"
