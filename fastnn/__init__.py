"""PyTorch's names and numbers on a CPU, with compiled kernels of its own: `import fastnn as torch`."""
