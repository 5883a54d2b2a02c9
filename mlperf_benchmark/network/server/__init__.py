"""Makes a prepared model servable by inference engines; see docs/serving.md."""
