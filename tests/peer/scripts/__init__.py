"""Training scripts as one writes them for PyTorch, each a function of the library it runs with.

``train(torch)`` gives the losses of its steps. All numbers that are drawn come from NumPy, and the weights too
(``common.fill``), so that two libraries start alike and can be compared.
"""
