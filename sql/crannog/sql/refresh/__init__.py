"""How a model's result may be brought up to date, and why it must be rebuilt where it may not."""
