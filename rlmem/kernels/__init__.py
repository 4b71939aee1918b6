"""Loops compiled by Numba, for what PyTorch's operations one by one are too small for.

On a CPU an operation costs microseconds before it computes anything, and a step of acting is a hundred of them. Here a
step is one call. All kernels work on NumPy views of CPU tensors in float32, leave Python's lock while they run, and
give each row the same result whatever rows are beside it.
"""
