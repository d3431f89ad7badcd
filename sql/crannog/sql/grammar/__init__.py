"""What one statement says, read from its tokens."""
