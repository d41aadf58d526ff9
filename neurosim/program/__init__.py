"""The chip image as columns, its judge, and the builder for programs made by hand."""
