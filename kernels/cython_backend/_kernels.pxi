# The kernels of one ISA level: each stub (_v2.pyx, _v3.pyx, ...) is this text, compiled with the level's flags.
include "common.pxi"
include "linear.pxi"
include "softmax.pxi"
include "loss.pxi"
include "elementwise.pxi"
include "reduce.pxi"
include "dropout.pxi"
include "optim.pxi"
