"""What the compiled kernels share: compilation and its cache, pointers, prefetch and atomics."""
