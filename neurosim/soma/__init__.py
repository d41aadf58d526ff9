"""Soma models: the parameters of a neuron and the kernel that updates it, one file each."""
