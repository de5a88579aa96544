# The kernels of one ISA level: each stub (_v2.pyx, _v3.pyx, ...) is this text, compiled with the level's flags.
include "common.pxi"
include "linear.pxi"
