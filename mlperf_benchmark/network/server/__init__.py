"""Makes a prepared model servable by inference engines; see README.md here."""
