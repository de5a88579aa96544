"""fastnn judged by the samples with which PyTorch tests itself: ``python -m tests.parity``."""
