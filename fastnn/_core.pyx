"""The tape. Tensors are here, and what the other parts share; nodes are in _node.pxi, recording in _record.pxi, views
that are changed in place in _views.pxi, arithmetic of small arrays in _small.pxi, the backward walk in _walk.pxi.

A node owns arrays and edges to earlier nodes, never tensor objects that lead back to it, so that plain reference
counting frees a graph. A storage and all its views share one version counter; a node remembers the version of what
it saved and refuses to read it once it was changed.
"""
cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject, PyTypeObject

from collections import OrderedDict
from threading import local

import numpy as np

cnp.import_array()

cdef extern from *:
    """
    static _Thread_local int grad_mode = 1;       /* of this thread: are ops recorded? */
    static _Thread_local int inference = 0;       /* of this thread: are new tensors marked as never recordable? */
    static _Thread_local int saving_hooked = 0;   /* of this thread: does what nodes save go through saving_hooks? */
    /* The base's tp_new, not the type's own: a subclass written in Python may define __new__. */
    static inline PyObject *new_of(PyTypeObject *base, PyTypeObject *type, PyObject *no_arguments) {
        return base->tp_new(type, no_arguments, NULL);
    }
    """
    int grad_mode
    int inference
    int saving_hooked
    object new_of(PyTypeObject *base, PyTypeObject *type, object no_arguments)

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *)   # of a pointer: passing an object would add a reference

cdef long long next_sequence = 0
cdef tuple NOTHING = ()
cdef object tensor_type = None


def set_tensor_type(type cls not None):
    """Names the class that ops return: fastnn.Tensor, once it is defined."""
    global tensor_type
    if not issubclass(cls, TensorBase):
        raise TypeError(f"expected a subclass of TensorBase, got {cls}")
    tensor_type = cls


@cython.freelist(64)
@cython.final
cdef class VersionCounter:
    """How often the memory that some tensors share was changed in place."""
    cdef long long value


@cython.freelist(64)
@cython.final
cdef class Saved:
    """What a node keeps of a tensor: its array and where its gradient goes, and the version it had."""
    cdef cnp.ndarray array
    cdef VersionCounter counter
    cdef long long version
    cdef Node node            # of an input on the tape
    cdef int index
    cdef TensorBase leaf      # an input that is a leaf and requires grad
    cdef bint is_output       # then the node is the one that holds this, which it must not refer to
    cdef object packed        # under saved_tensors_hooks: what stands for the array, which is None,
    cdef object unpacker      # and the function that turns it into a tensor again,
    cdef tuple shape          # of this shape and dtype
    cdef int typenum


cdef class TensorBase:
    """An array, its gradient, and its place on the tape."""
    cdef cnp.ndarray array
    cdef VersionCounter counter
    cdef object gradient
    cdef bint wants_grad          # a leaf's own requires_grad
    cdef bint keeps_grad
    cdef bint is_inference_tensor
    cdef bint scratch             # made by the backward walk and held by it alone
    cdef Node node
    cdef int index                # which of the node's outputs
    cdef TensorBase base          # the tensor whose memory this is a view of
    cdef bint apart               # a view made with recording off: it stays off the tape whatever its base does
    cdef long long node_version   # of a view: the version for which node is right; see refresh
    cdef object hooks             # a leaf's; OrderedDict, which a handle can refer to weakly
    cdef object after_hooks         # a leaf's, run once its gradient is accumulated
    cdef object __weakref__

    @property
    def _array(self):
        """The ndarray that holds the values."""
        return self.array

    @property
    def requires_grad(self):
        """Whether gradients are recorded for it. A tensor that an op made cannot be told no: detach it."""
        current(self)
        return self.wants_grad or self.node is not None

    @requires_grad.setter
    def requires_grad(self, bint value):
        current(self)
        if self.node is not None:
            if not value:
                raise RuntimeError("you can only change requires_grad flags of leaf variables. If you want to use a "
                                   "computed variable in a subgraph that doesn't require differentiation use "
                                   "var_no_grad = var.detach().")
            return
        if value and not is_floating(self.array):
            raise RuntimeError(f"only Tensors of floating point dtype can require gradients, got {self.array.dtype}")
        if value and self.is_inference_tensor and not inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        self.wants_grad = value

    @property
    def is_leaf(self):
        """Whether no recorded op made it: its gradient is kept in grad."""
        current(self)
        return self.node is None

    @property
    def grad_fn(self):
        """The node of the op that made it; None for a leaf."""
        current(self)
        return self.node

    @property
    def output_nr(self):
        """Which of its node's outputs it is."""
        current(self)
        return self.index

    @property
    def grad(self):
        """The gradient that backward has accumulated, of its shape and dtype; None before."""
        return self.gradient

    @grad.setter
    def grad(self, value):
        cdef TensorBase given
        if value is not None:
            if not isinstance(value, TensorBase):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got {type(value).__name__}")
            given = <TensorBase>value
            if given is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if not cnp.PyArray_SAMESHAPE(given.array, self.array):
                raise RuntimeError(f"assigned grad has data of a different size: expected {shape_of(self.array)}, "
                                   f"got {shape_of(given.array)}")
            if cnp.PyArray_TYPE(given.array) != cnp.PyArray_TYPE(self.array):
                raise RuntimeError(f"assigned grad has data of a different type: expected {self.array.dtype}, "
                                   f"got {given.array.dtype}")
        self.gradient = value

    @property
    def _version(self):
        return self.counter.value

    @property
    def _base(self):
        return self.base

    def _is_view(self):
        return self.base is not None

    def is_inference(self):
        """Whether the tensor was made in inference mode, so that it can never be recorded."""
        return self.is_inference_tensor

    @property
    def retains_grad(self):
        """Whether retain_grad was called on a tensor that is no leaf."""
        return self.keeps_grad and self.node is not None

    def retain_grad(self):
        """Keeps the gradient of this tensor in .grad although it is not a leaf."""
        current(self)
        if not (self.wants_grad or self.node is not None):
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.node is not None and not self.keeps_grad:
            self.keeps_grad = True
            self.node.retain(self)

    def _hook_table(self):
        """The dict that holds this tensor's hooks: a leaf's own, or the node's for this output."""
        current(self)
        if self.node is not None:
            return self.node.hook_table(self.index)
        if not self.wants_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.hooks is None:
            self.hooks = OrderedDict()
        return self.hooks

    def _after_hook_table(self):
        """The dict of hooks that run once a leaf's gradient is accumulated."""
        if self.node is not None or not self.wants_grad:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if self.after_hooks is None:
            self.after_hooks = OrderedDict()
        return self.after_hooks

    def _set_data(self, TensorBase other not None):
        """Takes over other's memory; the place on the tape stays."""
        if (self.wants_grad or self.node is not None) and not is_floating(other.array):
            raise RuntimeError("data set to a tensor that requires gradients must be floating point")
        self.array = other.array

    def _detach_(self):
        """Takes this tensor off the tape, in place."""
        if self.base is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self.node = None
        self.wants_grad = False
        self.keeps_grad = False


cdef inline bint is_floating(cnp.ndarray array) noexcept:
    cdef int typenum = cnp.PyArray_TYPE(array)
    return typenum == cnp.NPY_FLOAT or typenum == cnp.NPY_DOUBLE or typenum == cnp.NPY_FLOAT16


cdef tuple shape_of(cnp.ndarray array):
    return (<object>array).shape


cdef inline TensorBase instance(object cls):
    return <TensorBase>new_of(<PyTypeObject *>TensorBase, <PyTypeObject *>cls, NOTHING)


cdef inline TensorBase fresh(object cls, cnp.ndarray array):
    cdef TensorBase tensor = instance(cls)
    tensor.array = array
    tensor.counter = VersionCounter.__new__(VersionCounter)
    tensor.is_inference_tensor = inference
    return tensor


cdef inline TensorBase sharing(object cls, TensorBase source):
    """A tensor of source's memory and version counter, off the tape."""
    cdef TensorBase tensor = instance(cls)
    tensor.array = source.array
    tensor.counter = source.counter
    tensor.is_inference_tensor = source.is_inference_tensor
    return tensor


def wrap(array):
    """A tensor that shares memory with the array (or holds the NumPy scalar), without a gradient."""
    if not isinstance(array, np.ndarray):
        array = np.asarray(array)
    return fresh(tensor_type, array)


def dense(TensorBase tensor not None):
    """tensor's values as a C-contiguous, aligned array in native byte order; copied only if they must be."""
    cdef cnp.ndarray array = tensor.array
    if plain(array):
        return array
    return np.require(array, array.dtype.newbyteorder("="), ("C", "A"))


def detach(TensorBase tensor not None):
    """The same memory and version counter, off the tape: what is done to it in place is not recorded."""
    return sharing(tensor_type, tensor)


def make_subclass(type cls not None, TensorBase tensor not None, bint requires_grad=False):
    """An instance of cls (a subclass of TensorBase) that shares tensor's memory and version counter."""
    if not issubclass(cls, TensorBase):
        raise TypeError(f"expected a subclass of TensorBase, got {cls}")
    cdef TensorBase out = sharing(cls, tensor)
    if requires_grad:
        out.requires_grad = True
    return out


include "_node.pxi"
include "_record.pxi"
include "_views.pxi"


def same_objects(list first not None, list second not None):
    """Whether two lists hold the same objects in the same order."""
    cdef Py_ssize_t i
    if len(first) != len(second):
        return False
    for i in range(len(first)):
        if first[i] is not second[i]:
            return False
    return True


def gradient_arrays(list tensors not None, list arrays not None):
    """The gradients' arrays; None where a tensor has no gradient, or its memory is not that of arrays, or read-only."""
    cdef Py_ssize_t i
    cdef TensorBase tensor
    cdef list found = []
    for i in range(len(tensors)):
        tensor = tensors[i]
        if tensor.gradient is None or tensor.array is not arrays[i] or not cnp.PyArray_ISWRITEABLE(tensor.array):
            return None
        found.append((<TensorBase>tensor.gradient).array)
    return found


def needs_grad(*tensors):
    """Whether an op on these would be recorded now."""
    return on_tape(tensors)


def no_double_backward(Node ctx not None):
    """For a backward that is not made of recorded ops: refuses create_graph=True by name."""
    if grad_mode:
        raise NotImplementedError(f"create_graph=True: the derivative of {ctx._name} is not differentiable in fastnn yet")


def is_grad_enabled():
    """Whether this thread records what is done to tensors that require grad."""
    return bool(grad_mode)


def set_grad_mode(bint enabled):
    """Switches this thread's recording; returns what it was."""
    global grad_mode
    cdef bint previous = grad_mode
    grad_mode = enabled
    return previous


def is_inference_mode():
    return bool(inference)


def set_inference_mode(bint enabled):
    """Switches this thread's inference mode; returns what it was."""
    global inference
    cdef bint previous = inference
    inference = enabled
    return previous


include "_small.pxi"
include "_walk.pxi"
