"""Our own rules for a submission tree."""
