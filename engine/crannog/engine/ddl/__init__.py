"""Statements that define: CREATE, ALTER, COMMENT, DROP, each evaluated to one edit."""
