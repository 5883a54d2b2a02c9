"""Both ends of one wire: the client that LoadGen drives, and what makes a model servable."""
