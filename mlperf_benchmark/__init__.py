"""One package behind the commands and the plug-in modules at the top of the repository."""
