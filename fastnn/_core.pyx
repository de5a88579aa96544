"""The tape: tensors, nodes, and what records them. The backward walk is in _walk.pxi, and
arithmetic of small arrays in _small.pxi.

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


cdef class Node:
    """One recorded op: how to turn the gradients of its outputs into those of its inputs."""
    cdef str _name
    cdef object backward
    cdef tuple targets            # an input: None, the leaf TensorBase, or the Node that made it
    cdef tuple indices            # which output of a target; None where all are the first
    cdef tuple saved_entries
    cdef readonly object extra
    cdef readonly long long sequence
    cdef int outputs
    cdef bint released
    cdef dict hooks               # output -> {id: hook}
    cdef dict retained            # output -> weak reference to the tensor whose .grad is kept
    cdef public object trace      # where the forward call stood, in anomaly mode
    cdef object before            # hooks of the node itself, OrderedDict or None
    cdef object after
    cdef dict notes               # metadata
    cdef object __weakref__

    def name(self):
        return self._name

    @property
    def metadata(self):
        """A dict for whatever a user wants to note."""
        if self.notes is None:
            self.notes = {}
        return self.notes

    def _sequence_nr(self):
        return self.sequence

    def register_hook(self, fn):
        """fn(grad_inputs, grad_outputs), after the node has run; a tuple that it returns replaces grad_inputs."""
        if self.after is None:
            self.after = OrderedDict()
        return add_hook(self.after, fn)

    def register_prehook(self, fn):
        """fn(grad_outputs), before the node runs; a tuple that it returns replaces grad_outputs."""
        if self.before is None:
            self.before = OrderedDict()
        return add_hook(self.before, fn)

    def __repr__(self):
        return f"<{self._name} object at {hex(id(self))}>"

    @property
    def needs(self):
        """For each input, whether its gradient is wanted."""
        return tuple([target is not None for target in self.targets])

    @property
    def saved(self):
        """The saved tensors, the output last where it was saved."""
        return tuple([None if entry is None else self.unpack(entry) for entry in self.entries()])

    @property
    def arrays(self):
        """The saved tensors' arrays: for kernels, that record nothing."""
        cdef Saved entry
        cdef list out = []
        for item in self.entries():
            entry = <Saved>item
            if entry is None:
                out.append(None)
            else:
                self.check_version(entry)
                out.append(entry.array if entry.unpacker is None else unpacked(entry).array)
        return out

    cdef tuple entries(self):
        if self.released:
            raise RuntimeError("Trying to backward through the graph a second time (or directly access saved tensors "
                               "after they have already been freed). Saved intermediate values of the graph are freed "
                               "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need "
                               "to backward through the graph a second time or if you need to access saved tensors "
                               "after calling backward.")
        return self.saved_entries

    cdef int check_version(self, Saved entry) except -1:
        if entry.unpacker is None and entry.counter.value != entry.version:
            raise RuntimeError("one of the variables needed for gradient computation has been modified by an inplace "
                               f"operation: [{entry.array.dtype} {list(shape_of(entry.array))}], saved by {self._name}, "
                               f"is at version {entry.counter.value}; expected version {entry.version} instead.")
        return 0

    cdef TensorBase unpack(self, Saved entry):
        cdef TensorBase out
        self.check_version(entry)
        if entry.leaf is not None and (entry.unpacker is None or grad_mode):
            return entry.leaf
        if entry.unpacker is not None:
            out = unpacked(entry)
        else:
            out = instance(tensor_type)
            out.array = entry.array
            out.counter = entry.counter
        out.node = self if entry.is_output else entry.node
        out.index = entry.index
        return out

    cdef void release(self):
        self.saved_entries = NOTHING
        self.released = True

    cdef object hook_table(self, int index):
        if self.hooks is None:
            self.hooks = {}
        if index not in self.hooks:
            self.hooks[index] = OrderedDict()
        return self.hooks[index]

    cdef retain(self, TensorBase tensor):
        from weakref import ref
        if self.retained is None:
            self.retained = {}
        self.retained[tensor.index] = ref(tensor)

    @property
    def next_functions(self):
        """The edges: for each input, the node that made it (or AccumulateGrad of a leaf) and which output."""
        cdef list edges = []
        for i, target in enumerate(self.targets):
            if isinstance(target, TensorBase):
                target = AccumulateGrad(target)
            edges.append((target, 0 if self.indices is None else self.indices[i]))
        return tuple(edges)


cdef object add_hook(object table, object hook):
    from fastnn.utils.hooks import RemovableHandle
    handle = RemovableHandle(table)
    table[handle.id] = hook
    return handle


class AccumulateGrad:
    """Stands at the end of an edge that leads to a leaf."""
    __slots__ = ("metadata", "variable")
    next_functions = ()

    def __init__(self, variable):
        self.variable = variable
        self.metadata = {}

    def __eq__(self, other):
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self):
        return hash((AccumulateGrad, id(self.variable)))

    def name(self):
        return "AccumulateGrad"

    def register_prehook(self, fn):
        """fn(grad_outputs), before the leaf's gradient is accumulated; a tuple that it returns replaces them."""
        def hook(gradient):
            changed = fn((gradient,))
            return None if changed is None else changed[0]
        return self.variable.register_hook(hook)


# ------------------------------------------------------------------------------------------------ recording

cdef Saved save(TensorBase tensor):
    cdef Saved entry = Saved.__new__(Saved)
    current(tensor)
    if tensor.is_inference_tensor:
        raise RuntimeError("Inference tensors cannot be saved for backward. Please do not use Tensors created in "
                           "inference mode in computation tracked by autograd.")
    entry.array = tensor.array
    entry.counter = tensor.counter
    entry.version = tensor.counter.value
    if tensor.node is not None:
        entry.node = tensor.node
        entry.index = tensor.index
    elif tensor.wants_grad:
        entry.leaf = tensor
    if saving_hooked:
        pack(entry)
    return entry


cdef Saved save_output_of(TensorBase tensor, int index):
    cdef Saved entry = Saved.__new__(Saved)
    entry.array = tensor.array
    entry.counter = tensor.counter
    entry.version = tensor.counter.value
    entry.index = index
    entry.is_output = True
    if saving_hooked:
        pack(entry)
    return entry


cdef object saving_hooks = local()   # .pair: this thread's (pack, unpack)


def set_saving_hooks(pair):
    """(pack, unpack), for what this thread's nodes save from now on: packed = pack(tensor), tensor = unpack(packed).

    None turns that off. Returns what was set before.
    """
    global saving_hooked
    previous = getattr(saving_hooks, "pair", None)
    saving_hooks.pair = pair
    saving_hooked = pair is not None
    return previous


cdef int pack(Saved entry) except -1:
    cdef TensorBase tensor = instance(tensor_type)
    tensor.array = entry.array
    tensor.counter = entry.counter
    pack_hook, unpack_hook = saving_hooks.pair
    entry.shape = shape_of(entry.array)
    entry.typenum = cnp.PyArray_TYPE(entry.array)
    entry.packed = pack_hook(tensor)
    entry.unpacker = unpack_hook
    entry.array = None
    return 0


cdef TensorBase unpacked(Saved entry):
    """What the unpack hook gives, as a new tensor of a dense array: of the shape and dtype that kernels count on."""
    cdef TensorBase given, out
    value = entry.unpacker(entry.packed)
    if not isinstance(value, TensorBase):
        raise TypeError(f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(value)}")
    given = <TensorBase>value
    if shape_of(given.array) != entry.shape or cnp.PyArray_TYPE(given.array) != entry.typenum:
        raise RuntimeError(f"saved tensor unpack_hook: expected a Tensor of shape {list(entry.shape)} and the dtype that "
                           f"was packed, got {list(shape_of(given.array))}, {given.array.dtype}")
    out = instance(tensor_type)
    out.array = dense(given)
    out.counter = given.counter
    return out


cdef inline bint on_tape(tuple inputs) except -1:
    """Whether an op on these inputs is recorded."""
    cdef TensorBase tensor
    cdef bint found = False
    if not grad_mode:
        return False
    for item in inputs:
        tensor = <TensorBase>item
        current(tensor)
        if tensor.node is not None or tensor.wants_grad:
            found = True
    return found


cdef Node make_node(str name, object backward, tuple inputs, object extra, int outputs):
    global next_sequence
    cdef Node node = Node.__new__(Node)
    cdef TensorBase tensor
    cdef list targets = []
    cdef list indices = None
    cdef Py_ssize_t i = 0
    for item in inputs:
        tensor = <TensorBase>item
        if tensor.node is not None:
            targets.append(tensor.node)
            if tensor.index:
                if indices is None:
                    indices = [0] * len(inputs)
                indices[i] = tensor.index
        elif tensor.wants_grad:
            targets.append(tensor)
        else:
            targets.append(None)
        i += 1
    node._name = name
    node.backward = backward
    node.targets = tuple(targets)
    node.indices = None if indices is None else tuple(indices)
    node.saved_entries = NOTHING
    node.extra = extra
    node.outputs = outputs
    next_sequence += 1
    node.sequence = next_sequence
    if anomaly_trace is not None:
        node.trace = anomaly_trace()
    return node


cdef object anomaly_trace = None
cdef bint anomaly_nan = False


def set_anomaly_mode(function, bint check_nan):
    """A function that tells where the program stands, called for each recorded op; None turns that off.

    check_nan: refuse NaN among the gradients that nodes return. Returns what was set before.
    """
    global anomaly_trace, anomaly_nan
    previous = anomaly_trace, anomaly_nan
    anomaly_trace, anomaly_nan = function, check_nan
    return previous


def anomaly_mode():
    """(function, check_nan) as last set."""
    return anomaly_trace, anomaly_nan


def edge(Node node not None, int index):
    """A tensor without values at an output of node: an input for record, or for run_backward."""
    cdef TensorBase out = fresh(tensor_type, np.empty(0))
    out.node = node
    out.index = index
    return out


cdef inline TensorBase attach(object array, Node node, int index, TensorBase view_of):
    cdef TensorBase out
    if not isinstance(array, cnp.ndarray):
        array = np.asarray(array)
    out = fresh(tensor_type, <cnp.ndarray>array)
    if view_of is not None:
        out.counter = view_of.counter
        out.base = view_of.base if view_of.base is not None else view_of
        out.node_version = out.counter.value
        out.apart = view_of.apart or not grad_mode
    if node is not None and is_floating(out.array):
        out.node = node
        out.index = index
    return out


def record(str name, object backward, tuple inputs, object output, tuple saved=(), bint save_output=False,
           object extra=None, TensorBase view_of=None, tuple shared=None):
    """Wraps output (an array, or a tuple of them) and, where an input requires grad, puts a node on the tape.

    saved: tensors that backward reads; an int stands for the output of that number. shared: for each of several
    outputs, the tensor whose memory it is though it is no view of it, or None. See docs/architecture.md.
    """
    return put(name, backward, inputs, output, saved, save_output, extra, view_of, shared)


cdef object put(str name, object backward, tuple inputs, object output, tuple saved, bint save_output, object extra,
                TensorBase view_of, tuple shared=None):
    cdef Node node = None
    cdef TensorBase out
    cdef list outs
    cdef tuple result
    cdef Py_ssize_t count = 1
    if on_tape(inputs):
        count = len(<tuple>output) if type(output) is tuple else 1
        node = make_node(name, backward, inputs, extra, count)
    if type(output) is not tuple:
        out = attach(output, node, 0, view_of)
        result = None
    else:
        outs = []
        for i, array in enumerate(<tuple>output):
            out = attach(array, node, i, view_of)
            if shared is not None and shared[i] is not None:
                out.counter = (<TensorBase>shared[i]).counter
            outs.append(out)
        result = tuple(outs)
        out = <TensorBase>result[0] if result else None
    if node is not None and (saved or save_output):
        outs = []
        for item in saved:
            if item is None:
                outs.append(None)
            elif isinstance(item, TensorBase):
                outs.append(save(<TensorBase>item))
            else:
                outs.append(save_output_of(out if result is None else <TensorBase>result[item], item))
        if save_output:
            outs.append(save_output_of(out, 0))
        node.saved_entries = tuple(outs)
    return out if result is None else result


def check_inplace(TensorBase tensor not None, *inputs):
    """Raises unless tensor may be changed in place by an op that also reads inputs."""
    cdef bint recording
    if not cnp.PyArray_CHKFLAGS(tensor.array, cnp.NPY_ARRAY_WRITEABLE):
        raise RuntimeError("input: the tensor's memory is read-only (it shares a read-only NumPy array, or was "
                           "expanded); clone it before changing it in place")
    if tensor.is_inference_tensor and not inference:
        raise RuntimeError("Inplace update to inference tensor outside InferenceMode is not allowed.")
    if not grad_mode:
        return
    recording = on_tape((tensor,) + inputs)
    if tensor.node is None and tensor.wants_grad:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    if tensor.apart and (recording or tensor.base.wants_grad or tensor.base.node is not None):
        raise RuntimeError("A view was created in no_grad mode and is being modified inplace with grad mode enabled. "
                           "This view was created inside a no_grad (or inference_mode) block, so that it is not part "
                           "of the graph; take the view again, or modify it inside such a block")
    if not recording:
        return
    if not is_floating(tensor.array):
        raise RuntimeError(f"result type of a recorded op can't be stored in place in a {tensor.array.dtype} tensor")
    if tensor.base is not None and tensor.base.node is None and tensor.base.wants_grad:
        raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")


def rebase(TensorBase target not None, str name, object backward, tuple inputs, tuple saved=(), object extra=None,
           bint save_output=False):
    """Tells the tape that target was changed in place by an op on inputs; returns target."""
    cdef Node node
    cdef list entries
    if not on_tape(inputs):
        target.counter.value += 1
        return target
    node = make_node(name, backward, inputs, extra, 1)
    if saved:  # with the versions of before the change: a saved input that is target itself would be caught
        node.saved_entries = tuple([save(<TensorBase>item) for item in saved])
    take_place(target, node, 0)
    if save_output:
        node.saved_entries = node.saved_entries + (save_output_of(target, 0),)
    return target


def snapshot(TensorBase tensor not None):
    """A copy of tensor's values at the same place on the tape: what an in-place op may save of its target."""
    current(tensor)
    cdef TensorBase out = fresh(tensor_type, cnp.PyArray_NewCopy(tensor.array, cnp.NPY_KEEPORDER))
    out.node = tensor.node
    out.index = tensor.index
    return out


def adopt(TensorBase target not None, TensorBase result not None, bint bump=True):
    """Makes result's place on the tape target's, whose memory now holds result's values; returns target.

    bump: whether that is a new version.
    """
    if result.node is not None:
        take_place(target, result.node, result.index, bump)
    elif bump:
        target.counter.value += 1
    return target


# ------------------------------------------------------------------------------------------------ views in place

# A view and its base share memory, so that a change of one is a change of the other. The base of a view that was
# changed becomes the output of a node CopySlices: its old values where the view does not reach, the view's new ones
# where it does. A view whose base (or sister) was changed gets a node anew when it is next looked at: the part of the
# base that its strides name.

cdef object view_layout = None      # (base's array, view's array) -> how the view lies in its base
cdef object copy_slices_backward = None
cdef object as_strided_backward = None


def set_view_functions(layout, copy_slices, as_strided):
    """What fastnn.ops.strided knows of views: their layout in a base, and the gradients of the two nodes."""
    global view_layout, copy_slices_backward, as_strided_backward
    view_layout, copy_slices_backward, as_strided_backward = layout, copy_slices, as_strided


cdef inline int current(TensorBase tensor) except -1:
    """A view's place on the tape is looked up again where its memory was changed since."""
    if tensor.base is not None and tensor.node_version != tensor.counter.value:
        refresh(tensor)
    return 0


cdef int refresh(TensorBase view) except -1:
    cdef TensorBase base = view.base
    if not view.apart and base.node is not None and is_floating(view.array):
        view.node = make_node("AsStridedBackward0", as_strided_backward, (base,), view_layout(base.array, view.array), 1)
        view.index = 0
        view.wants_grad = False
        view.keeps_grad = False
    view.node_version = view.counter.value
    return 0


cdef int take_place(TensorBase target, Node node, int index, bint bump=True) except -1:
    """target's memory was changed: output index of node is what it holds now."""
    cdef TensorBase base = target.base
    cdef TensorBase place
    target.counter.value += bump
    if base is not None:
        place = instance(tensor_type)     # stands for the output of node among the inputs of CopySlices
        place.node = node
        place.index = index
        base.node = make_node("CopySlices", copy_slices_backward, (base, place), view_layout(base.array, target.array), 1)
        base.index = 0
        base.wants_grad = False
        base.keeps_grad = False
    target.node = node
    target.index = index
    target.node_version = target.counter.value
    target.wants_grad = False
    target.keeps_grad = False
    return 0


def bump_version(TensorBase tensor not None):
    """Says that tensor's memory was changed outside the tape."""
    tensor.counter.value += 1


def bump_versions(list tensors not None):
    """bump_version for each of many tensors."""
    cdef TensorBase tensor
    for tensor in tensors:
        tensor.counter.value += 1


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
