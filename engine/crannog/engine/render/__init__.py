"""Turns results and errors into text and files; knows nothing of where they go."""
