"""What kernels read: the Program, cast and rearranged once."""
