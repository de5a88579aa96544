# Recording: what a node saves of tensors, the node that is made, the outputs that hold it, and ops in place.

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
